//! The rules of the protocol, each of which a test takes out.

/// How the processes behave. [`Rules::all`] is what the code does.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one rule")]
pub struct Rules {
    /// A mark is two objects, and writing one is not exclusive.
    pub s3: bool,
    /// Only the mark that stood before the proof dooms.
    pub compare_ids: bool,
    /// Between the mark and the end there is a scan for claims.
    pub prove: bool,
    /// A mark becomes a removal only under the thing's lock.
    pub remove_under_lock: bool,
    /// A manifest looks at the link, and after it at the data.
    pub link_before_data: bool,
    /// A look reads the marks, and after them the thing.
    pub marks_before_thing: bool,
    /// A manifest looks at its own content, and after it at what it names.
    pub own_content_first: bool,
    /// A manifest looks even when it stands already.
    pub look_when_settled: bool,
    /// A manifest looks at all.
    pub manifest_looks: bool,
    /// A refused manifest leaves its pending revision.
    pub keep_refused_revision: bool,
    /// A push that is refused leaves its link.
    pub keep_link: bool,
    /// A manifest is pending until its looks have passed.
    pub pending: bool,
    /// A `_dying` that is found is taken away, never carried out.
    pub prove_dying_again: bool,
    /// An upload, a mount, a HEAD looks at the link.
    pub look_at_link: bool,
    /// An upload, a mount, a HEAD looks at the data.
    pub look_at_data: bool,
    /// An upload writes its link first, and its data last.
    pub claim_first: bool,
    /// On S3 a link's time is renewed under its lock.
    pub renew_under_lock: bool,
    /// A proof that fails takes its mark away.
    pub failed_proof_unmarks: bool,
    /// The scan sees links of a repository without manifests.
    pub scan_every_link: bool,
    /// A listing that fails stops the removal of data.
    pub failed_listing_stops: bool,
    /// A DELETE of a blob waits for the push of a pending manifest (decision 3).
    pub wait_for_pending: bool,
    /// A pending revision is removed under its lock, if it is pending then.
    pub pending_under_lock: bool,
    /// The push of a manifest holds its lock.
    pub push_holds_lock: bool,
    /// A process that lost its lock stops.
    pub stop_without_lock: bool,
}

impl Rules {
    pub fn all() -> Self {
        Self {
            s3: false,
            compare_ids: true,
            prove: true,
            remove_under_lock: true,
            link_before_data: true,
            marks_before_thing: true,
            own_content_first: true,
            look_when_settled: true,
            manifest_looks: true,
            keep_refused_revision: true,
            keep_link: true,
            pending: true,
            prove_dying_again: true,
            look_at_link: true,
            look_at_data: true,
            claim_first: true,
            renew_under_lock: true,
            failed_proof_unmarks: true,
            scan_every_link: true,
            failed_listing_stops: true,
            wait_for_pending: true,
            pending_under_lock: true,
            push_holds_lock: true,
            stop_without_lock: true,
        }
    }

    /// All, but for what `take_out` changes.
    pub fn without(take_out: impl FnOnce(&mut Self)) -> Self {
        let mut rules = Self::all();
        take_out(&mut rules);
        rules
    }
}
