// Compiles one contract of another project by the compiler and settings that the project names.
//
//   node compile_peer.js PROJECT_FOLDER SOURCE SETTINGS
//
// PROJECT_FOLDER/node_modules holds solc and what the source imports by name; SETTINGS is JSON, Solidity's own. Prints
// the creation bytecode in hex.
"use strict";

const fs = require("fs");
const path = require("path");

const [folder, source, settings] = process.argv.slice(2);
const modules = path.resolve(folder, "node_modules");
const solc = require(path.join(modules, "solc"));

function findImport(name) {
  // Morpho's sources name OpenZeppelin by the folder of a git submodule.
  const named = name.replace("lib/openzeppelin-contracts/", "@openzeppelin/");
  const place = [path.resolve(folder, named), path.join(modules, named)].find((each) => fs.existsSync(each));
  return place ? { contents: fs.readFileSync(place, "utf8") } : { error: "not found: " + name };
}

const name = path.basename(source, ".sol");
const input = {
  language: "Solidity",
  sources: { [source]: { content: fs.readFileSync(path.join(folder, source), "utf8") } },
  settings: { ...JSON.parse(settings), outputSelection: { "*": { [name]: ["evm.bytecode.object"] } } },
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
const fault = (output.errors || []).find((finding) => finding.severity === "error");
if (fault) {
  console.error(fault.formattedMessage);
  process.exit(1);
}
console.log(output.contracts[source][name].evm.bytecode.object);
