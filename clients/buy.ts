// Buys a lamp with the generated types: EVENKEEL_URL, EVENKEEL_TOKEN, and the order's id.
import createClient from "openapi-fetch";
import type { paths } from "./evenkeel.d.ts";

const id = process.argv[2]!;
const client = createClient<paths>({
  baseUrl: process.env.EVENKEEL_URL,
  headers: { authorization: `Bearer ${process.env.EVENKEEL_TOKEN}` },
});

const taken = await client.POST("/v1/orders", {
  // The same key again is the same order: after a time-out, just send it once more.
  params: { header: { "Idempotency-Key": `buy-${id}` } },
  body: {
    id,
    customer: "ben",
    lines: [{ sku: "lamp", quantity: 1 }],
    payment: { method: "card", token: "tok_ok" },
  },
});
if (taken.error) throw new Error(`${taken.error.code}: ${taken.error.detail}`);

let order: typeof taken.data | undefined = taken.data;
while (order?.status === "PENDING" || order?.status === "PAID") {
  await new Promise((done) => setTimeout(done, 50));
  const path = { params: { path: { id } } };
  order = (await client.GET("/v1/orders/{id}", path)).data;
}
console.log(id, order?.status);
