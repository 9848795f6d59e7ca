//! Drives the target with mutated seeds. `PROPTEST_CASES` says how many.

#[path = "../../../../../../fuzz/drive.rs"]
mod drive;

#[test]
fn answers_are_believed_as_far_as_they_go() {
    drive::all("answers", super::answers);
}
