//! What every store promises the engine, one function per promise.
//!
//! The functions are generic over a [`Fixture`]; an adapter writes a fixture and one line,
//! `conformance!(Mine);`, and runs them all. Nothing here sleeps: time is a [`world::TestClock`]
//! that only a test moves, and every wait is for something that the engine shows.

use evenkeel_engine::port::Store;
use std::sync::Arc;

pub(crate) mod allocation;
pub(crate) mod audit;
pub(crate) mod carts;
pub(crate) mod crash;
pub(crate) mod dues;
pub(crate) mod engines;
pub(crate) mod faulty;
pub(crate) mod guards;
pub(crate) mod hand;
pub(crate) mod keys;
pub(crate) mod orders;
pub(crate) mod pull;
pub(crate) mod reads;
pub(crate) mod rows;
pub(crate) mod sagas;
pub(crate) mod shares;
pub(crate) mod stock;
pub(crate) mod subscriptions;
pub(crate) mod time;
pub(crate) mod tokens;
pub(crate) mod unknown;
pub(crate) mod upkeep;
pub(crate) mod world;

/// An adapter under test: one place where rows are kept.
pub(crate) trait Fixture: Sized {
    /// A place with nothing in it.
    async fn empty() -> Self;

    /// Opens the place. Handles that are open at once stand on the same rows.
    async fn store(&self) -> Arc<dyn Store>;

    /// Opens the place as the next process finds it when the one before has been killed.
    async fn reopen(&self) -> Arc<dyn Store>;
}

/// Runs every promise with a fixture.
macro_rules! conformance {
    ($fixture:ty) => {
        conformance! { @each $fixture;
            engines {
                two_engines_interleaved_batch_by_batch_come_to_the_same_end
                two_engines_at_once_sell_exactly_what_there_is
                a_gate_hears_of_another_nodes_release
                a_restored_log_has_another_name_and_who_worked_on_the_old_one_ends
            }
            crash {
                a_dropped_lock_leaves_no_trace
                a_crash_between_lock_and_finish_leaves_no_trace
                a_crash_before_the_answer_is_replayed_to_the_retry
                one_unwritable_commit_of_512_fails_alone
                a_disk_that_fails_ends_the_writing_for_good
                a_full_disk_is_a_definite_no
            }
            unknown {
                an_unknown_commit_ends_right_whether_it_was_applied_or_not
                a_caller_that_waited_too_long_learns_the_end_with_its_key
                an_engine_stops_while_an_outcome_cannot_be_learnt
            }
            guards {
                a_finish_that_contradicts_the_rows_is_corrupt_and_writes_nothing
                a_view_has_each_row_that_was_asked_for_or_says_absent
                rows_of_a_true_cache_are_not_read_and_of_a_false_one_are
            }
            keys {
                the_same_key_and_intent_is_answered_as_the_first_time
                every_kind_of_answer_is_replayed
                the_same_key_in_one_batch_takes_effect_once
                the_same_key_with_another_intent_is_refused
                keys_and_ids_are_compared_as_bytes
                a_key_is_its_customers_own
                a_final_refusal_is_replayed
                a_momentary_refusal_leaves_the_key_free
            }
            stock {
                ten_thousand_buyers_of_a_hundred_units_buy_a_hundred
                commits_without_touch_end_the_same
                a_sku_with_many_locations_is_received_without_cache
                a_transfer_leaves_one_location_and_arrives_at_the_other
                a_place_is_all_its_lines_or_none
                a_partial_confirm_gives_the_rest_back
                an_extend_is_cut_at_the_longest_life
                a_change_for_another_version_is_refused
                another_customers_hold_is_not_found
                the_gate_names_the_line_that_is_short
            }
            allocation {
                a_line_is_taken_whole_from_one_location_or_split_in_order
                a_split_hold_is_confirmed_by_sku_in_the_order_of_its_lines
                an_order_is_split_and_follows_the_hold_that_it_names
                a_line_pulls_overdue_holds_of_all_its_locations
                the_gate_refuses_an_open_line_only_where_every_location_is_empty
            }
            pull {
                a_place_ends_overdue_holds_itself_oldest_first
                a_place_ends_at_most_64_overdue_holds
                a_place_finds_its_units_behind_many_of_others_in_the_front
                a_pull_gives_back_all_lines_of_the_holds_it_ends
                a_smaller_place_pulls_what_was_too_little_for_a_larger
                a_deadline_that_was_set_twice_counts_once
                the_sweep_ends_what_is_overdue_and_nothing_else
                a_late_confirm_is_refused_swept_or_not
            }
            time {
                log_time_never_falls_and_a_clock_set_back_shortens_no_hold
                a_clock_that_jumps_stops_writing_until_it_agrees_again
                an_idle_engine_leaves_the_head_where_it_was
                work_past_its_deadline_is_not_begun
                what_waited_too_long_is_told_no_and_not_begun
            }
            tokens {
                a_token_is_found_until_it_is_revoked
                a_token_read_before_its_revocation_is_not_remembered_after_it
                a_revocation_counts_even_if_its_caller_went_away
                another_nodes_revocation_is_heard
            }
            subscriptions {
                a_subscription_is_made_changed_and_found_again
                a_step_counts_from_the_checkpoint_that_was_read_or_not_at_all
                pages_of_subscriptions_are_newest_first_and_ids_are_bytes
            }
            reads {
                pages_are_newest_first_and_miss_nothing
                the_log_is_read_upwards_from_any_position
                due_holds_come_oldest_deadline_first
                names_say_position_refusal_or_nothing
                rows_that_do_not_exist_are_absent
                balances_without_a_listed_place_are_stray
                everything_is_there_after_reopening
            }
            rows {
                a_row_of_another_version_is_corrupt_and_nothing_is_written
                a_view_has_orders_and_callbacks_or_says_absent
                orders_are_named_and_ids_that_differ_in_case_are_two
                pages_of_orders_and_callbacks_are_newest_first
                rows_that_wait_for_a_person_are_listed_until_they_do_not
                a_private_text_is_read_until_it_is_erased
                a_customers_texts_are_paged_upwards
            }
            shares {
                fifty_places_of_one_customer_win_as_many_as_it_may_have
                the_sweep_gives_shares_back
                two_engines_keep_one_share
                a_share_is_guarded_listed_and_there_after_reopening
            }
            orders {
                an_order_is_taken_charged_confirmed_and_delivered
                a_callback_is_kept_once_and_taken_in_once
                news_of_a_charge_that_nobody_asks_about_have_the_provider_asked
                a_customers_texts_are_erased_and_nothing_else_changes
                two_engines_over_orders_come_to_the_same_end
            }
            sagas {
                a_saga_is_begun_stepped_to_its_end_and_replayed
                a_saga_that_is_refused_is_undone_and_may_need_a_person
                a_tried_step_waits_without_a_fact
                a_saga_row_of_another_version_is_corrupt_and_nothing_is_written
                sagas_are_due_flagged_and_there_after_reopening
            }
            carts {
                a_line_and_its_hold_succeed_together_or_not_at_all
                each_write_moves_all_deadlines_and_a_lost_line_is_held_again
                a_cart_becomes_an_order_in_one_commit
                a_check_out_is_refused_whole
                a_cart_row_is_guarded_and_there_after_reopening
            }
            upkeep {
                seals_are_kept_replaced_and_forgotten
                rows_leave_with_the_floor_and_come_back
                what_a_start_reads_of_the_log_never_falls
            }
            dues {
                rows_are_due_oldest_first_and_at_the_heads_time
                a_due_time_that_moved_is_due_then_and_only_then
                no_due_row_is_missed_by_any_handle_after_any_history
                a_try_that_another_handle_noted_without_a_fact_is_seen
                dues_are_there_after_reopening
            }
        }
    };
    (@each $fixture:ty; $($module:ident { $($promise:ident)+ })+) => {
        $($(
            #[tokio::test]
            async fn $promise() {
                conformance::$module::$promise::<$fixture>().await;
            }
        )+)+
    };
}
