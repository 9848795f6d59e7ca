//! What happens to the database: killed, one of its processes killed, a network that fails, and a
//! standby that takes over.

use crate::proxy::{Proxy, Weather};
use crate::servers::Server;
use crate::shop::Shop;
use crate::stand::{AGAIN, RECOVERED, Stand};
use crate::{pass, times, until};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

#[test]
fn a_database_that_is_killed_loses_nothing_and_is_served_again_within_a_second() {
    let shop = Shop::open(&[]);
    let rounds = times(1, 40);
    let mut stand = Stand::begin(&shop, &shop.url(), rounds * 12);
    for _ in 0..rounds {
        pass(Duration::from_secs(1));
        shop.database.kill();
        until("nobody sells", || stand.is_down());
        shop.database.restart();
        let took = stand.again();
        println!("database killed: sells again {took:?} after its port");
        assert!(took < AGAIN, "{took:?}");
        // The server ends every session when one of its processes dies, and recovers.
        let backends = backends(&shop.database);
        let one = backends.last().expect("the nodes have connections");
        kill_process(*one, Signal::KILL).expect("it runs");
        let took = stand.again();
        println!(
            "one of {} connections killed: sells again after {took:?}",
            backends.len()
        );
        assert!(took < RECOVERED, "{took:?}");
    }
    stand.end(&shop, &shop.url());
}

/// The server's processes that serve connections.
fn backends(server: &Server) -> Vec<Pid> {
    const MARK: &str = "postgres: postgres postgres 127.0.0.1";
    let mut found = Vec::new();
    let main = server.pid().to_string();
    for entry in std::fs::read_dir("/proc").expect("Linux has it").flatten() {
        let path = entry.path();
        let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap_or_default();
        let parent = read("stat");
        let parent = parent
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1));
        if parent == Some(&main) && read("cmdline").starts_with(MARK) {
            let pid = entry.file_name().to_string_lossy().parse().ok();
            found.extend(pid.and_then(Pid::from_raw));
        }
    }
    found
}

#[test]
fn a_network_that_delays_cuts_or_swallows_loses_nothing() {
    let shop = Shop::open(&[]);
    let wire = Proxy::to(&[shop.database.port()]);
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres", wire.port());
    let (rounds, long) = (times(1, 20), Duration::from_secs(times(1, 4)));
    let mut stand = Stand::begin(&shop, &url, rounds * times(16, 40));
    let swallowed: [(&str, fn(&mut Weather)); 3] = [
        ("deaf", |now| now.deaf = true),
        ("mute", |now| now.mute = true),
        ("half-open", |now| (now.deaf, now.mute) = (true, true)),
    ];
    for _ in 0..rounds {
        wire.weather(|now| now.delay = Duration::from_millis(30));
        pass(long);
        wire.weather(|now| now.delay = Duration::ZERO);
        println!("latency: sells again after {:?}", stand.again());
        for _ in 0..5 {
            pass(Duration::from_millis(200));
            wire.weather(|now| now.storm += 1);
        }
        let took = stand.again();
        println!("reset: sells again after {took:?}");
        assert!(took < AGAIN, "reset: {took:?}");
        for (name, swallow) in swallowed {
            // What comes through at last, and what never does.
            for ends_in_reset in [false, true] {
                wire.weather(swallow);
                pass(long);
                wire.weather(|now| {
                    now.storm += u64::from(ends_in_reset);
                    (now.deaf, now.mute) = (false, false);
                });
                let took = stand.again();
                println!("{name}, reset {ends_in_reset}: sells again after {took:?}");
                assert!(took < AGAIN, "{name}: {took:?}");
            }
        }
    }
    stand.end(&shop, &url);
}

#[test]
fn a_synchronous_standby_that_is_promoted_has_all_that_was_acknowledged() {
    for _ in 0..times(1, 5) {
        let shop = Shop::open(&["synchronous_standby_names = '*'"]);
        let standby = Server::standby_of(&shop.database);
        let (first, second) = (shop.database.port(), standby.port());
        let url = format!("postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres");
        let mut stand = Stand::begin(&shop, &url, 10);
        pass(Duration::from_secs(2));
        shop.database.kill();
        until("nobody sells", || stand.is_down());
        standby.promote();
        let took = stand.again();
        println!("standby promoted: sells again after {took:?}");
        assert!(took < AGAIN, "{took:?}");
        stand.end(&shop, &url);
    }
}
