// OpenZeppelin's own library: `node run_openzeppelin.mjs CLAIMS.ndjson EVERY` prints one line of JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

// The library is looked for where the program is run, not where this file lies.
const library = createRequire(join(process.cwd(), "here.js"));
const { StandardMerkleTree } = library("@openzeppelin/merkle-tree");

const claims = readFileSync(process.argv[2], "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));

const processorSeconds = () => {
  const used = process.cpuUsage();
  return (used.user + used.system) / 1e6;
};

const begun = processorSeconds();
const tree = StandardMerkleTree.of(claims, ["address", "uint256"]);
const built = processorSeconds();
let steps = 0;
for (let place = 0; place < claims.length; place += Number(process.argv[3])) steps += tree.getProof(place).length;
const proven = processorSeconds();

console.log(
  JSON.stringify({
    version: library("@openzeppelin/merkle-tree/package.json").version,
    root: tree.root,
    steps,
    tree_s: built - begun,
    proofs_s: proven - built,
    rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
);
