"""Buys a lamp with the generated client: EVENKEEL_URL, EVENKEEL_TOKEN, and the order's id."""

import os
import sys
import time

from evenkeel_client import AuthenticatedClient
from evenkeel_client.api.default import get_v1_orders_id, post_v1_orders
from evenkeel_client.models import Problem, TakeOrder

client = AuthenticatedClient(os.environ["EVENKEEL_URL"], token=os.environ["EVENKEEL_TOKEN"])
order_id = sys.argv[1]

order = TakeOrder.from_dict({
    "id": order_id,
    "customer": "ann",
    "lines": [{"sku": "lamp", "quantity": 1}],
    "payment": {"method": "card", "token": "tok_ok"},
})
# The same key again is the same order: after a time-out, just send it once more.
taken = post_v1_orders.sync(client=client, body=order, idempotency_key=f"buy-{order_id}")
if isinstance(taken, Problem) or taken is None:
    sys.exit(f"refused: {taken}")

while taken.status in ("PENDING", "PAID"):
    time.sleep(0.05)
    taken = get_v1_orders_id.sync(order_id, client=client)
print(order_id, taken.status)
