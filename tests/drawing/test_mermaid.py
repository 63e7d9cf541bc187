"""The flowchart as text."""

from __future__ import annotations

from duetto.drawing import mermaid
from duetto.model.definition import Definition
from duetto.model.placement import choreography, hybrid
from tests.drawing.shop import everything, fulfil

SHOP = """\
flowchart TD
  subgraph p0["app"]
    n0(("fulfil"))
    n1["inventory.reserve"]
    n3["shipping.book"]
    n4[["all"]]
    n5["shipping.dispatch"]
    n6["notifications.notify"]
    n7[["join"]]
    n8((("end")))
  end
  subgraph p2["payments"]
    n2["charge"]
  end
  n0 --> n1
  n1 ==>|"Order, Reservation"| n2
  n2 ==>|"Order, Payment"| n3
  n3 --> n4
  n4 --> n5
  n4 --> n6
  n5 --> n7
  n6 --> n7
  n7 --> n8
  classDef undoable stroke-dasharray: 5 3
  class n1,n2,n3,n6 undoable
"""


def test_the_shop_as_text() -> None:
    assert mermaid(fulfil(), hybrid("payments")) == SHOP


def test_every_node_and_edge_is_there() -> None:
    text = mermaid(everything(), choreography())
    for part in (
        'n1{"total #62; 100"}',
        ">",
        '-.->|"except Refused"|',
        '(["sleep 5"])',
        '"invoice"',
    ):
        assert part in text


def test_names_are_escaped() -> None:
    assert 'n0(("a#34;b"))' in mermaid(
        Definition('a"b', fulfil().regions, fulfil().types), choreography()
    )
