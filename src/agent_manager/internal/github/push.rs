//! Pushes: a branch or tag now points elsewhere, or is gone.

use super::fields::{Object, PayloadError, RepositoryName};

const BRANCH_PREFIX: &str = "refs/heads/";

/// A branch or tag was moved (`push`). Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushEvent {
    /// The repository.
    pub repository: RepositoryName,
    /// What was moved, in full: `refs/heads/<branch>` or `refs/tags/<tag>`.
    pub reference: String,
    /// The branch, unless a tag was moved.
    pub branch: Option<String>,
    /// The commit before; all zeros if the branch or tag is new.
    pub before_sha: String,
    /// The commit afterwards; all zeros if the branch or tag was deleted.
    pub after_sha: String,
    /// Whether the branch or tag was deleted.
    pub deleted: bool,
    /// When the newest commit was made, by the clock of who made it; nothing for a deletion.
    pub head_commit_at: Option<i64>,
    /// When the repository was last pushed to: of two pushes, the one with the later time is the newer.
    pub pushed_at: Option<i64>,
    /// Who pushed.
    pub pusher: Option<String>,
}

/// Reads a payload of `push`.
pub(super) fn push_event(root: &Object<'_>) -> Result<PushEvent, PayloadError> {
    let repository = root.repository()?;
    let reference = root.text("ref")?.to_owned();
    let after_sha = root.text("after")?.to_owned();
    let head_commit_at = match root.optional_object("head_commit")? {
        Some(commit) => commit.optional_time("timestamp")?,
        None => None,
    };
    let pusher = match root.optional_object("pusher")? {
        Some(pusher) => pusher.owned_text("name")?,
        None => None,
    };
    Ok(PushEvent {
        branch: reference.strip_prefix(BRANCH_PREFIX).map(str::to_owned),
        before_sha: root.text("before")?.to_owned(),
        deleted: root.flag("deleted")?.unwrap_or_else(|| after_sha.bytes().all(|byte| byte == b'0')),
        pushed_at: root.object("repository")?.optional_time("pushed_at")?,
        repository,
        reference,
        after_sha,
        head_commit_at,
        pusher,
    })
}
