//! Each lie of a broker is caught by the promise that it breaks.

use super::remote::{Planted, Remote, Shape};
use super::{publishing, reading};
use futures_util::FutureExt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

type Promise = fn(Remote) -> Pin<Box<dyn Future<Output = ()>>>;

const SHAPES: [Shape; 3] = [Shape::Log, Shape::Fifo, Shape::Queue];

/// Whether a promise is broken. What it says of that goes to standard error, as from any test.
async fn is_broken(promise: Promise, remote: Remote) -> bool {
    AssertUnwindSafe(promise(remote))
        .catch_unwind()
        .await
        .is_err()
}

/// Holds a promise to a lie, in every shape, and shows that it is the lie that breaks it.
async fn catches(promise: Promise, lie: Planted) {
    for shape in SHAPES {
        let honest = Remote::start(shape);
        assert!(
            !is_broken(promise, honest).await,
            "{shape:?}: broken without {lie:?}"
        );
        let liar = Remote::lying(shape, Some(lie));
        assert!(
            is_broken(promise, liar).await,
            "{shape:?}: {lie:?} is not noticed"
        );
    }
}

macro_rules! caught {
    ($($name:ident: $($lie:ident)+, by $module:ident::$promise:ident;)+) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $name() {
                for lie in [$(Planted::$lie),+] {
                    catches(|remote| Box::pin($module::$promise(remote)), lie).await;
                }
            }
        )+

        /// Every lie that some test is about.
        const CAUGHT: &[Planted] = &[$($(Planted::$lie),+),+];
    };
}

caught! {
    a_broker_that_skips_messages_is_caught: SkipsSomePlaces,
        by reading::everything_that_is_durable_comes;
    a_broker_that_turns_the_order_of_a_key_is_caught: TurnsTheOrderOfAKey,
        by reading::messages_of_a_key_first_come_in_their_order;
    a_broker_that_drops_what_a_crashed_reader_had_is_caught: DropsWhatACrashedReaderHad,
        by reading::what_was_not_acknowledged_comes_again_after_a_crash;
    a_broker_that_forgets_acknowledgements_is_caught: ForgetsAcknowledgements,
        by reading::what_was_acknowledged_does_not_come_again_after_an_orderly_stop;
    a_broker_that_acknowledges_before_its_disk_is_caught: AcknowledgesBeforeItsDisk,
        by reading::what_is_durable_outlives_a_kill_of_the_broker;
    a_group_that_begins_where_its_readers_are_is_caught: BeginsWhereReadersAre,
        by reading::a_group_is_told_of_everything_since_it_was_joined;
    two_groups_that_share_one_checkpoint_are_caught: SharesOneCheckpoint,
        by reading::two_groups_each_get_everything;
    a_broker_that_bears_no_slow_reader_is_caught:
        DropsWhatSlowReadersMissed TakesNothingForSlowReaders,
        by reading::a_slow_reader_holds_up_nobody_and_loses_nothing;
    a_broker_that_stops_behind_a_poisoned_message_is_caught: StopsBehindWhatWasGivenBack,
        by reading::a_poisoned_message_holds_up_no_other_key;
    a_broker_that_stops_behind_an_open_message_is_caught: StopsBehindWhatIsOpen,
        by reading::an_unacknowledged_message_holds_up_no_other_key;
    a_broker_that_drops_what_is_given_back_is_caught: DropsWhatIsGivenBack,
        by reading::what_is_given_back_comes_again;
    a_broker_that_lies_about_marks_is_caught: SaysPassedWhenReceived NeverSaysPassed,
        by reading::a_mark_is_passed_when_all_before_it_is_acknowledged;
    a_broker_that_knows_ids_that_it_lost_is_caught: KnowsIdsThatItLost MakesIdsAnew,
        by publishing::an_unknown_outcome_published_again_is_a_double_and_never_a_loss;
    a_broker_that_cuts_long_bodies_is_caught: CutsLongBodies,
        by publishing::a_message_of_a_mebibyte_comes_whole;
    a_broker_that_hides_what_is_too_large_is_caught:
        TakesAndDropsWhatIsTooLarge TriesWhatIsTooLargeForEver RefusesABatchForOne,
        by publishing::a_message_that_is_too_large_is_refused_for_good;
    a_broker_that_changes_messages_is_caught: DropsHeaders FoldsKeys MakesIdsAnew,
        by publishing::ids_keys_and_headers_come_as_they_were_sent;
    a_broker_that_takes_a_key_twice_in_a_batch_is_caught: TakesAKeyTwiceInABatch,
        by publishing::of_a_key_only_the_first_of_a_batch_is_sent;
    a_broker_that_refuses_for_good_while_it_is_down_is_caught: RefusesForGoodWhileItIsDown,
        by publishing::a_broker_that_is_down_refuses_nothing_for_good;
}

#[test]
fn every_lie_is_caught_by_somebody() {
    for lie in Planted::ALL {
        assert!(CAUGHT.contains(lie), "{lie:?}");
    }
}
