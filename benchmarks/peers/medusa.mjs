// The offers of @medusajs/promotion: `computeActions` of its service, as it is, on promotions that are already loaded.
//
// No database is asked. In a shop a query comes first, which leaves out some promotions that cannot match and loads those behind a
// code only when the code was entered. Here the second is done beforehand; the first is what an index of offers is compared with.
//
// It runs in a process of its own, with the folder of its packages as argument; benchmarks/_peers.py says how it is asked.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.argv[2]}/`);
const { default: PromotionModuleService } = require("@medusajs/promotion/dist/services/promotion-module.js");
const { MathBN } = require("@medusajs/framework/utils");

const WARM_UP_SECONDS = 0.5; // the engine compiles what it sees often

const rule = (attribute, operator, value) => ({ attribute, operator, values: [{ value }] });

function promotion(offer) {
  const target = [];
  if (offer.category !== null) target.push(rule("items.product.categories.id", "in", offer.category));
  if (offer.product !== null) target.push(rule("items.product.id", "in", offer.product));
  return {
    id: offer.id,
    code: offer.id,
    is_automatic: offer.code === null,
    is_tax_inclusive: false,
    type: "standard",
    status: "active",
    limit: null,
    used: 0,
    campaign: null,
    rules: offer.minimum === null ? [] : [rule("item_subtotal", "gte", offer.minimum)],
    application_method: {
      type: "fixed",
      currency_code: "eur",
      value: Number(offer.amount),
      allocation: "across",
      max_quantity: null,
      target_type: "items",
      target_rules: target,
      buy_rules: [],
    },
  };
}

function cart(lines) {
  const items = lines.map((line, place) => ({
    id: `line-${place}`,
    quantity: line.quantity,
    subtotal: Number(line.price) * line.quantity,
    original_total: Number(line.price) * line.quantity,
    is_discountable: true,
    product: { id: line.product, categories: [{ id: line.category }] },
  }));
  return { currency_code: "eur", item_subtotal: items.reduce((sum, item) => sum + item.subtotal, 0), items };
}

let compute;

async function seconds(loops) {
  const start = process.hrtime.bigint();
  for (let done = 0; done < loops; done += 1) await compute();
  return Number(process.hrtime.bigint() - start) / 1e9;
}

async function prepare({ lines, offers, codes }) {
  const loaded = offers.filter((offer) => offer.code === null || codes.includes(offer.code)).map(promotion);
  const entered = loaded.filter((one) => !one.is_automatic).map((one) => one.code);
  const service = Object.create(PromotionModuleService.prototype, {
    baseRepository_: { value: { getFreshManager: () => ({}) } },
    listActivePromotions_: { value: async () => loaded },
  });
  // Otherwise the service would build the query; the automatic promotions are among those loaded.
  compute = () => service.computeActions(entered, cart(lines), { prevent_auto_promotions: true });
  const first = await seconds(1);
  const actions = await compute();
  const off = actions.reduce((sum, action) => MathBN.add(sum, action.amount), MathBN.convert(0));
  const total = MathBN.sub(cart(lines).item_subtotal, off).toFixed(9);
  for (let spent = 0; spent < WARM_UP_SECONDS; ) spent += await seconds(1);
  return { total, seconds: first };
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  const answer = asked.prepare ? await prepare(asked.prepare) : { seconds: await seconds(asked.loops) };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
