// Codes of other libraries: of twelve symbols out of an alphabet, so many at once.
//
// voucher-code-generator draws with Math.random, which can be predicted, and keeps all codes of a call to see that none comes twice;
// nanoid draws from the system's secure source and compares nothing; sqids spells numbers and keeps nothing secret.
//
// It runs in a process of its own, with the folder of its packages as argument; benchmarks/_peers.py says how it is asked.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.argv[2]}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));

const { default: vouchers } = await load("voucher-code-generator");
const { customAlphabet } = await load("nanoid");
const { default: sqids } = await load("sqids");
const Sqids = sqids.default ?? sqids; // packed for both kinds of modules, it lies one deeper

const WARM_UP_SECONDS = 0.5; // the engine compiles what it sees often

const makers = {
  vouchers: ({ alphabet, length, count }) => () => vouchers.generate({ charset: alphabet, length, count }),
  nanoid: ({ alphabet, length, count }) => {
    const one = customAlphabet(alphabet, length);
    return () => Array.from({ length: count }, () => one());
  },
  sqids: ({ alphabet, length, count }) => {
    const speller = new Sqids({ alphabet, minLength: length });
    return () => Array.from({ length: count }, (_, serial) => speller.encode([serial]));
  },
};

let make;

function seconds(loops) {
  const start = process.hrtime.bigint();
  for (let done = 0; done < loops; done += 1) make();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

function prepare(asked) {
  make = makers[asked.library](asked);
  const first = seconds(1);
  const different = new Set(make().filter((code) => code.length === asked.length));
  for (let spent = 0; spent < WARM_UP_SECONDS; ) spent += seconds(1);
  return { total: String(different.size), seconds: first };
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const answer = asked.prepare ? prepare(asked.prepare) : { seconds: seconds(asked.loops) };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
