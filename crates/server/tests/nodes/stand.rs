//! Two nodes on a database that something happens to, under load.

use crate::load::Load;
use crate::proxy::Proxy;
use crate::shop::{Node, Shop, Ways, checked, place};
use crate::{now, until};
use std::time::Duration;

/// How soon it serves again when the database can be reached.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);
/// How long a server recovers whose process was killed; its port is open all the while.
pub(crate) const RECOVERED: Duration = Duration::from_secs(5);
const UNITS: u64 = 5_000_000;

/// Two nodes under load, and what before them shares connections out.
pub(crate) struct Stand {
    pub(crate) nodes: [Node; 2],
    load: Load,
    asked: u64,
    _balancer: Proxy,
}

impl Stand {
    pub(crate) fn begin(shop: &Shop, url: &str, seconds: u64) -> Self {
        let nodes = ["a", "b"].map(|name| {
            let ways = Ways {
                database: Some(url.to_owned()),
                ..Ways::default()
            };
            shop.node_with(name, ways)
        });
        nodes.iter().for_each(Node::ready);
        nodes[0].stock("lamp", UNITS);
        let balancer = Proxy::to(&nodes.each_ref().map(Node::port));
        let to = (balancer.port(), nodes[0].token());
        let load = Load::begin(to, (seconds, UNITS), shop.scratch());
        Self {
            nodes,
            load,
            asked: 0,
            _balancer: balancer,
        }
    }

    /// Asks each node for a hold; what they answered.
    pub(crate) fn ask(&mut self) -> [u16; 2] {
        self.asked += 1;
        let key = format!("ask-{}", self.asked);
        let ask = |node: &Node| {
            let key = format!("{key}-{}", node.port());
            place(&mut node.wire(), "lamp", &key, 600_000).status
        };
        self.nodes.each_ref().map(ask)
    }

    /// How long it takes until both nodes sell again.
    pub(crate) fn again(&mut self) -> Duration {
        let begun = now();
        until("both nodes sell again", || self.ask() == [201, 201]);
        begun.elapsed()
    }

    /// Whether no node sells; each says that it is a definite no, or that nobody knows.
    pub(crate) fn is_down(&mut self) -> bool {
        let told = self.ask();
        assert!(
            told.iter().all(|it| [201, 503, 504].contains(it)),
            "{told:?}"
        );
        !told.contains(&201)
    }

    /// The load's end, and `verify` over its answers.
    pub(crate) fn end(self, shop: &Shop, url: &str) {
        let promised = self.load.acknowledged();
        let (report, acks) = self.load.end();
        let verified = shop.verify_at(url, Some(&acks));
        let answers = checked(&verified, "I5");
        assert!(answers > 0, "{verified:#}");
        println!(
            "  {promised} acknowledged during it, {answers} found; {} answers 503",
            report["answers"]["503"]
        );
        self.nodes.into_iter().for_each(Node::kill);
    }
}
