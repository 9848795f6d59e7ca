//! What every broker promises, and that the suite notices whoever breaks it.
//!
//! An adapter writes one [`fixture::Fixture`] and a line below. The promises to readers are for all
//! brokers; those to publishers for all that are published to, which the embedded one is not: its
//! topics are the log.

mod embedded;
mod fixture;
mod groups;
mod planted;
mod publishing;
mod reading;
mod relay;
mod remote;
mod shop;

use embedded::{Disk, Node};
use remote::{Remote, Shape};

/// Runs promises with what makes a fixture.
macro_rules! conformance {
    ($name:ident, [$test:meta], $fixture:expr; readers) => {
        conformance! { @each $name, [$test], $fixture, reading;
            everything_that_is_durable_comes
            messages_of_a_key_first_come_in_their_order
            what_was_not_acknowledged_comes_again_after_a_crash
            what_was_acknowledged_does_not_come_again_after_an_orderly_stop
            what_is_durable_outlives_a_kill_of_the_broker
            a_group_is_told_of_everything_since_it_was_joined
            two_groups_each_get_everything
            a_slow_reader_holds_up_nobody_and_loses_nothing
            a_poisoned_message_holds_up_no_other_key
            an_unacknowledged_message_holds_up_no_other_key
            what_is_given_back_comes_again
            a_mark_is_passed_when_all_before_it_is_acknowledged
        }
    };
    ($name:ident, [$test:meta], $fixture:expr; publishers) => {
        conformance! { @each $name, [$test], $fixture, publishing;
            an_unknown_outcome_published_again_is_a_double_and_never_a_loss
            a_message_of_a_mebibyte_comes_whole
            a_message_that_is_too_large_is_refused_for_good
            ids_keys_and_headers_come_as_they_were_sent
            of_a_key_only_the_first_of_a_batch_is_sent
            a_broker_that_is_down_refuses_nothing_for_good
        }
    };
    (@each $name:ident, [$test:meta], $fixture:expr, $module:ident; $($promise:ident)+) => {
        mod $name {
            use super::*;

            $(
                #[$test]
                async fn $promise() {
                    super::$module::$promise($fixture.await).await;
                }
            )+
        }
    };
}

async fn log() -> Remote {
    Remote::start(Shape::Log)
}

async fn fifo() -> Remote {
    Remote::start(Shape::Fifo)
}

async fn queue() -> Remote {
    Remote::start(Shape::Queue)
}

conformance!(in_memory, [tokio::test], Node::start(Disk::memory()); readers);
conformance!(on_sqlite, [tokio::test], Node::start(Disk::sqlite()); readers);

conformance!(log_readers, [tokio::test(start_paused = true)], log(); readers);
conformance!(log_publishers, [tokio::test(start_paused = true)], log(); publishers);
conformance!(fifo_readers, [tokio::test(start_paused = true)], fifo(); readers);
conformance!(fifo_publishers, [tokio::test(start_paused = true)], fifo(); publishers);
conformance!(queue_readers, [tokio::test(start_paused = true)], queue(); readers);
conformance!(queue_publishers, [tokio::test(start_paused = true)], queue(); publishers);
