//! Which contracts each backend keeps.

mod fs;
mod locks;
mod memory;
mod redis;
mod s3;
mod simulated;
mod tokens;

/// Every contract of the storage ports, for one way of opening a store.
macro_rules! storage_contracts {
    ($open:expr; $($family:ident: $($contract:ident),+ $(,)?);+ $(;)?) => {
        $(mod $family {
            $(#[tokio::test]
            async fn $contract() {
                let store = $open;
                crate::contracts::$family::$contract(&store.ports).await;
            })+
        })+
    };
    ($open:expr) => {
        crate::backends::storage_contracts! { $open;
            blob_links:
                a_link_is_seen_only_in_its_repository,
                refreshing_never_creates,
                adding_twice_is_adding_once,
                adding_renews_the_time,
                removing_an_absent_link_succeeds;
            marks:
                an_unmarked_thing_is_seen_as_it_is,
                a_mark_is_seen_before_the_thing,
                a_mark_is_as_old_as_its_id,
                condemning_again_adopts_the_mark_that_is_there,
                condemning_makes_no_place_for_what_is_gone,
                only_the_id_that_stands_can_doom,
                a_dying_thing_is_not_doomed_again,
                pardon_takes_every_mark_away;
            uploads:
                a_session_begins_at_nothing,
                appends_count_once_they_are_saved,
                what_was_not_saved_is_written_over,
                what_was_appended_can_be_read_back,
                a_broken_stream_changes_nothing,
                a_session_is_known_in_its_repository_only,
                committed_bytes_are_the_blob,
                committing_again_changes_nothing,
                a_blob_of_the_wrong_size_is_healed,
                an_empty_blob_can_be_committed,
                another_algorithm_is_hashed_from_the_bytes,
                a_session_with_another_algorithm_keeps_it,
                removed_sessions_are_gone,
                sessions_are_listed_with_their_last_touch;
            blobs:
                an_absent_blob_is_none,
                a_blob_reads_in_ranges,
                a_listing_of_content_tells_its_sizes;
            manifests:
                a_pending_manifest_reads_as_absent,
                a_settled_manifest_is_served_as_pushed,
                a_settled_manifest_stays_as_it_is_when_pushed_again,
                a_pending_manifest_is_a_claim,
                a_removed_manifest_is_gone,
                removing_an_absent_manifest_succeeds,
                a_manifest_is_seen_only_in_its_repository,
                content_that_was_taken_away_is_put_back,
                revisions_are_listed_in_pages;
            tags:
                a_tag_points_where_it_was_set_last,
                setting_a_tag_again_renews_its_time,
                a_removed_tag_is_gone_with_its_history,
                tags_are_listed_in_byte_order_and_pages,
                tags_that_point_at_a_digest_are_found;
            pulls:
                a_pull_is_known_by_the_store_s_clock,
                the_last_pull_counts,
                a_deleted_manifest_was_never_pulled,
                a_pull_makes_no_repository;
            referrers:
                referrers_are_listed_by_subject,
                a_referrer_is_listed_once,
                a_removed_referrer_is_gone;
            token_keys:
                keys_are_none_and_then_what_was_set_last,
                servers_that_start_at_once_share_one_key;
            repositories:
                a_repository_exists_once_it_holds_a_manifest,
                repositories_are_listed_in_byte_order_of_the_whole_name,
                a_repository_without_manifests_is_gone;
            collector:
                what_nothing_references_goes_and_the_rest_stays,
                what_is_fresh_stays,
                who_asks_for_a_marked_blob_saves_it,
                a_proof_that_fails_takes_the_mark_away,
                marks_that_somebody_left_are_judged_anew,
                a_manifest_that_nobody_understands_keeps_its_repository,
                a_manifest_whose_content_is_another_keeps_its_repository,
                a_push_that_was_given_up_goes,
                one_collects_at_a_time,
                every_link_is_found_however_many_there_are,
                old_records_of_deletions_are_listed_and_removed,
                a_deleted_index_lets_go_of_what_nobody_else_holds,
                a_child_that_is_pushed_again_after_its_mark_stays,
                a_referrer_whose_subject_is_pushed_again_loses_its_mark;
            undelete:
                a_deleted_manifest_comes_back_with_its_tags_and_stays,
                a_tag_that_was_pushed_anew_stays_where_it_is,
                what_is_missing_is_named_and_nothing_is_restored,
                children_that_were_deleted_too_come_first,
                a_deleted_tag_comes_back_alone,
                what_needs_a_blob_is_told_through_every_index,
                deletions_are_told_with_what_they_let_go_of;
        }
    };
}
pub(crate) use storage_contracts;
