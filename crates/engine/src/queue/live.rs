//! Whether clients work at present: what can wait gives way to them.

use std::time::Duration;

/// How long after a client's last command they still count as working.
const LIVE_FOR: Duration = Duration::from_secs(1);

/// Whether clients work at present.
#[derive(Debug, Default)]
pub(crate) struct Live {
    asked: u64,
    until: Duration,
}

impl Live {
    /// Takes in how many commands clients have asked so far, at a moment of the monotonic clock.
    pub(crate) fn look(&mut self, asked: u64, mono: Duration) -> bool {
        if self.asked != asked {
            self.asked = asked;
            self.until = mono + LIVE_FOR;
        }
        mono < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_count_as_working_for_a_second_after_their_last_command() {
        let mut live = Live::default();
        let at = Duration::from_millis;
        assert!(!live.look(0, at(0)), "nobody has asked yet");
        assert!(live.look(1, at(10)));
        assert!(live.look(1, at(1_009)));
        assert!(!live.look(1, at(1_010)));
        assert!(live.look(2, at(1_011)));
    }
}
