//! Repositories that are called something else now.

use super::GithubEvent;
use super::fields::{Object, PayloadError, RepositoryName};

/// A repository was renamed or transferred (`repository`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryEvent {
    /// The repository, as it is called now.
    pub repository: RepositoryName,
    /// What it was called before, as `owner/name`.
    pub name_before: String,
}

/// Reads a payload of `repository`.
pub(super) fn repository_event(root: &Object<'_>) -> Result<GithubEvent, PayloadError> {
    const EVENT: &str = "repository";
    // Most of these events concern nobody, whatever is in them.
    let action = root.text_at(&["action"]).unwrap_or_default();
    let moved = match action {
        "renamed" => root.text_at(&["changes", "repository", "name", "from"]).map(|name| (None, Some(name))),
        "transferred" => {
            let owner = |kind| root.text_at(&["changes", "owner", "from", kind, "login"]);
            owner("user").or_else(|| owner("organization")).map(|owner| (Some(owner), None))
        }
        _ => return Ok(GithubEvent::unknown_action(EVENT, action)),
    };
    let Some((owner, name)) = moved else {
        return Ok(GithubEvent::Ignored { reason: format!("a repository was {action}, from nobody knows where") });
    };
    let repository = root.repository()?;
    let (owner_now, name_now) = repository.full_name.split_once('/').unwrap_or_default();
    let name_before = format!("{}/{}", owner.unwrap_or(owner_now), name.unwrap_or(name_now));
    Ok(GithubEvent::Repository(RepositoryEvent { repository, name_before }))
}
