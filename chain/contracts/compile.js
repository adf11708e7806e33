// Compiles every contract of a folder to one small JSON artifact each: the same bytes on every machine.
//
//   node compile.js SOURCE_FOLDER NODE_MODULES OUTPUT_FOLDER
//   node compile.js --lines NODE_MODULES
//   node compile.js --standard-json NODE_MODULES
//
// Artifacts hold what a caller needs (ABI and creation bytecode), by what the contract is known on a chain (the digest of
// its code, in which immutables are zeros, and where they lie), and which word of storage holds what. They hold no
// metadata hash, so a comment changed in a source changes no artifact. It reaches no network.
// With --lines, each line of standard input is {"contract": NAME, "sources": {FILE: TEXT}} and is answered with a line,
// the contract's artifact or {"refused": MESSAGE}: for thousands of variants of one contract, in one process. With
// "plain": true nothing is optimized, which takes a third of the time; what the code does is the same, its gas is not.
// With --standard-json it is solc's own interface of that name for analysers, with the libraries found and these settings.
"use strict";

const crypto = require("crypto");
const fs = require("fs");
const path = require("path");
const readline = require("readline");

const [sourceFolder, nodeModules, outputFolder] = process.argv.slice(2);
const byLines = sourceFolder === "--lines";
const asSolc = sourceFolder === "--standard-json";
if (!nodeModules || (!outputFolder && !byLines && !asSolc)) {
  console.error("usage: node compile.js (SOURCE_FOLDER NODE_MODULES OUTPUT_FOLDER | --lines|--standard-json NODE_MODULES)");
  process.exit(2);
}
const solc = require(path.resolve(nodeModules, "solc"));

const SETTINGS = {
  optimizer: { enabled: true, runs: 1000 },
  viaIR: true,
  evmVersion: "cancun",
  metadata: { bytecodeHash: "none", appendCBOR: false },
};

const PLAIN = { ...SETTINGS, optimizer: { enabled: false }, viaIR: false };

function findImport(name) {
  const file = path.resolve(nodeModules, name);
  if (!file.startsWith(path.resolve(nodeModules) + path.sep)) return { error: "outside node_modules: " + name };
  try {
    return { contents: fs.readFileSync(file, "utf8") };
  } catch {
    return { error: "not found: " + name };
  }
}

// Compiles texts by file name; `wanted` is the one contract to give bytecode for, or "*".
function compiled(texts, wanted, how = SETTINGS) {
  const sources = Object.fromEntries(Object.entries(texts).map(([file, content]) => [file, { content }]));
  const outputSelection = { "*": { [wanted]: ["abi", "evm.bytecode.object", "evm.deployedBytecode", "storageLayout"] } };
  const input = { language: "Solidity", sources, settings: { ...how, outputSelection } };
  return JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
}

// The words of storage that one variable fills alone, by its name.
function wordsOf(layout) {
  const whole = layout.storage.filter((each) => each.offset === 0 && layout.types[each.type].numberOfBytes === "32");
  return Object.fromEntries(whole.map((each) => [each.label, Number(each.slot)]));
}

function artifactOf(name, contract) {
  const deployed = contract.evm.deployedBytecode;
  const places = Object.values(deployed.immutableReferences || {}).flat();
  return {
    contract: name,
    compiler: solc.version(),
    evm: SETTINGS.evmVersion,
    optimizer_runs: SETTINGS.optimizer.runs,
    abi: contract.abi,
    bytecode: "0x" + contract.evm.bytecode.object,
    deployed_sha256: crypto.createHash("sha256").update(Buffer.from(deployed.object, "hex")).digest("hex"),
    immutables: places.map(({ start, length }) => [start, length]).sort((one, other) => one[0] - other[0]),
    storage: wordsOf(contract.storageLayout),
  };
}

function compileFolder() {
  const texts = {};
  for (const file of fs.readdirSync(sourceFolder).filter((name) => name.endsWith(".sol")).sort()) {
    texts[file] = fs.readFileSync(path.join(sourceFolder, file), "utf8");
  }
  const output = compiled(texts, "*");
  const ours = (finding) => finding.severity === "error" || !finding.sourceLocation || finding.sourceLocation.file in texts;
  const findings = (output.errors || []).filter(ours); // how a library is written, its authors answer for
  for (const finding of findings) console.error(finding.formattedMessage);
  if (findings.length > 0) process.exit(1); // a warning in a contract that holds money is a mistake
  fs.mkdirSync(outputFolder, { recursive: true });
  for (const file of Object.keys(texts)) {
    for (const [name, contract] of Object.entries(output.contracts[file] || {})) {
      if (!contract.evm.bytecode.object) continue; // an interface or an abstract contract
      fs.writeFileSync(path.join(outputFolder, name + ".json"), JSON.stringify(artifactOf(name, contract), null, 1) + "\n");
    }
  }
}

// A variant may have warnings: what is tried here is expected to be wrong.
function answer(line) {
  const { contract, sources, plain } = JSON.parse(line);
  const output = compiled(sources, contract, plain ? PLAIN : SETTINGS);
  const fault = (output.errors || []).find((finding) => finding.severity === "error");
  return fault ? { refused: fault.message } : artifactOf(contract, output.contracts[contract + ".sol"][contract]);
}

function standardJson() {
  const input = JSON.parse(fs.readFileSync(0, "utf8"));
  input.settings = { ...SETTINGS, outputSelection: input.settings.outputSelection };
  process.stdout.write(solc.compile(JSON.stringify(input), { import: findImport }));
}

if (asSolc) {
  standardJson();
} else if (byLines) {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => process.stdout.write(JSON.stringify(answer(line)) + "\n"));
} else {
  compileFolder();
}
