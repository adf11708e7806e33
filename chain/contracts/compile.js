// Compiles every contract of a folder to one small JSON artifact each: the same bytes on every machine.
//
//   node compile.js SOURCE_FOLDER NODE_MODULES OUTPUT_FOLDER
//
// Artifacts hold what a caller needs (ABI and creation bytecode) and no
// metadata hash, so a comment changed in a source changes no artifact. It reaches no network.
"use strict";

const fs = require("fs");
const path = require("path");

const [sourceFolder, nodeModules, outputFolder] = process.argv.slice(2);
if (!outputFolder) {
  console.error("usage: node compile.js SOURCE_FOLDER NODE_MODULES OUTPUT_FOLDER");
  process.exit(2);
}
const solc = require(path.resolve(nodeModules, "solc"));

const SETTINGS = {
  optimizer: { enabled: true, runs: 1000 },
  evmVersion: "cancun",
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
};

function findImport(name) {
  const file = path.resolve(nodeModules, name);
  if (!file.startsWith(path.resolve(nodeModules) + path.sep)) return { error: "outside node_modules: " + name };
  try {
    return { contents: fs.readFileSync(file, "utf8") };
  } catch {
    return { error: "not found: " + name };
  }
}

const sources = {};
for (const file of fs.readdirSync(sourceFolder).filter((name) => name.endsWith(".sol")).sort()) {
  sources[file] = { content: fs.readFileSync(path.join(sourceFolder, file), "utf8") };
}
const input = { language: "Solidity", sources, settings: SETTINGS };
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));

const findings = output.errors || [];
for (const finding of findings) console.error(finding.formattedMessage);
if (findings.length > 0) process.exit(1); // a warning in a contract that holds money is a mistake

fs.mkdirSync(outputFolder, { recursive: true });
for (const file of Object.keys(sources)) {
  for (const [name, contract] of Object.entries(output.contracts[file] || {})) {
    const bytecode = contract.evm.bytecode.object;
    if (!bytecode) continue; // an interface or an abstract contract
    const artifact = {
      contract: name,
      compiler: solc.version(),
      evm: SETTINGS.evmVersion,
      optimizer_runs: SETTINGS.optimizer.runs,
      abi: contract.abi,
      bytecode: "0x" + bytecode,
    };
    fs.writeFileSync(path.join(outputFolder, name + ".json"), JSON.stringify(artifact, null, 1) + "\n");
  }
}
