//! Checks of a commit: check runs, check suites, commit statuses, and runs and jobs of workflows.

use super::fields::{Object, PayloadError, RepositoryName};

/// Which of GitHub's kinds of check an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckKind {
    /// One check of an app (`check_run`); every job of a workflow appears as one too, under the same number.
    CheckRun,
    /// All checks of one app over one commit (`check_suite`).
    CheckSuite,
    /// A commit status (`status`).
    Status,
    /// One run of a workflow (`workflow_run`).
    WorkflowRun,
    /// One job of a run of a workflow (`workflow_job`).
    WorkflowJob,
}

impl CheckKind {
    /// The kind as GitHub names its event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CheckRun => "check_run",
            Self::CheckSuite => "check_suite",
            Self::Status => "status",
            Self::WorkflowRun => "workflow_run",
            Self::WorkflowJob => "workflow_job",
        }
    }
}

/// How far a check has come, in the order that a check goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckStatus {
    /// It has not begun: queued, requested, waiting for approval or pending.
    Queued,
    /// It is under way.
    InProgress,
    /// It is over.
    Completed,
}

/// How a check ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckConclusion {
    /// It passed.
    Success,
    /// It failed; a commit status of `error` counts as this.
    Failure,
    /// It neither passed nor failed.
    Neutral,
    /// It was cancelled.
    Cancelled,
    /// It took too long.
    TimedOut,
    /// Somebody has to do something before it can go on.
    ActionRequired,
    /// GitHub gave up waiting for it.
    Stale,
    /// It was not run.
    Skipped,
    /// The workflow could not be started.
    StartupFailure,
    /// A conclusion that did not exist when this was written, as GitHub writes it.
    Other(String),
}

impl CheckConclusion {
    /// The conclusion as GitHub writes it and as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::ActionRequired => "action_required",
            Self::Stale => "stale",
            Self::Skipped => "skipped",
            Self::StartupFailure => "startup_failure",
            Self::Other(text) => text,
        }
    }

    fn read(text: &str) -> Self {
        match text {
            "success" => Self::Success,
            "failure" | "error" => Self::Failure,
            "neutral" => Self::Neutral,
            "cancelled" => Self::Cancelled,
            "timed_out" => Self::TimedOut,
            "action_required" => Self::ActionRequired,
            "stale" => Self::Stale,
            "skipped" => Self::Skipped,
            "startup_failure" => Self::StartupFailure,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// What makes one report of a check newer than another of the same repository, commit, suite and qualified name: the
/// greater one.
///
/// A run started anew has a greater number, or the same number and a greater attempt; within one attempt, time
/// decides, and within one instant, how far the check has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckPrecedence {
    /// GitHub's number of the check.
    pub id: u64,
    /// The attempt; one where the payload names none.
    pub attempt: u64,
    /// [`CheckEvent::updated_at`].
    pub updated_at: Option<i64>,
    /// [`CheckEvent::status`].
    pub status: CheckStatus,
}

/// A report of one check of a commit. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckEvent {
    /// The kind of check.
    pub kind: CheckKind,
    /// The repository.
    pub repository: RepositoryName,
    /// The commit checked.
    pub head_sha: String,
    /// The pull requests of this repository that the payload lists; often none, even where there are some.
    pub pull_request_numbers: Vec<u64>,
    /// What it is called: check run, app, context, workflow, or `workflow / job`.
    pub name: String,
    /// How far it has come.
    pub status: CheckStatus,
    /// How far it has come, as GitHub writes it, if that word did not exist when this was written.
    pub unknown_status: Option<String>,
    /// How it ended.
    pub conclusion: Option<CheckConclusion>,
    /// Its page.
    pub url: Option<String>,
    /// When it began.
    pub started_at: Option<i64>,
    /// When it ended.
    pub completed_at: Option<i64>,
    /// The latest time that the payload gives for it. A check run that has not begun may have none.
    pub updated_at: Option<i64>,
    /// GitHub's number of the check: greater for a later one of the same kind.
    pub id: u64,
    /// Which attempt at the same run this is, for runs and jobs of workflows.
    pub run_attempt: Option<u64>,
    /// The check suite that it belongs to, or, for the job of a workflow, the run: tells apart two checks of the same
    /// name in two apps or workflows.
    pub suite_id: Option<u64>,
}

impl CheckEvent {
    /// A name that no check of another kind has in one suite: the name alone for a check run, `<kind>:<name>` for the
    /// others.
    #[must_use]
    pub fn qualified_name(&self) -> String {
        match self.kind {
            CheckKind::CheckRun => self.name.clone(),
            kind => format!("{}:{}", kind.as_str(), self.name),
        }
    }

    /// What decides whether this report is newer than another of the same check.
    #[must_use]
    pub fn precedence(&self) -> CheckPrecedence {
        CheckPrecedence {
            id: self.id,
            attempt: self.run_attempt.unwrap_or(1),
            updated_at: self.updated_at,
            status: self.status,
        }
    }
}

/// Reads a payload of `check_run`.
pub(super) fn check_run(root: &Object<'_>) -> Result<CheckEvent, PayloadError> {
    let fields = root.object("check_run")?;
    let suite_id = match fields.optional_object("check_suite")? {
        Some(suite) => suite.optional_number("id")?,
        None => None,
    };
    let url = match fields.owned_text("html_url")? {
        Some(url) => Some(url),
        None => fields.owned_text("details_url")?,
    };
    let name = fields.text("name")?.to_owned();
    Ok(CheckEvent { suite_id, url, ..common(root, &fields, CheckKind::CheckRun, name)? })
}

/// Reads a payload of `check_suite`; its name is that of the app that runs it.
pub(super) fn check_suite(root: &Object<'_>) -> Result<CheckEvent, PayloadError> {
    let fields = root.object("check_suite")?;
    let name = match fields.optional_object("app")? {
        Some(app) => first_text(&[(&app, "name"), (&app, "slug")])?,
        None => None,
    };
    let name = name.unwrap_or_else(|| "checks".to_owned());
    let event = common(root, &fields, CheckKind::CheckSuite, name)?;
    Ok(CheckEvent { suite_id: Some(event.id), ..event })
}

/// Reads a payload of `workflow_run`.
pub(super) fn workflow_run(root: &Object<'_>) -> Result<CheckEvent, PayloadError> {
    let fields = root.object("workflow_run")?;
    // GitHub leaves the name of the run empty at times; the workflow, and failing that its file, say the same.
    let name = match root.optional_object("workflow")? {
        Some(workflow) => first_text(&[(&fields, "name"), (&workflow, "name"), (&fields, "path")])?,
        None => first_text(&[(&fields, "name"), (&fields, "path")])?,
    };
    let name = name.ok_or_else(|| fields.missing("name", "the name of the workflow"))?;
    let suite_id = fields.optional_number("check_suite_id")?;
    let event = common(root, &fields, CheckKind::WorkflowRun, name)?;
    let started_at = fields.optional_time("run_started_at")?;
    // A run has no time of its own for its end, but nothing changes it afterwards.
    let completed_at = event.updated_at.filter(|_| event.status == CheckStatus::Completed);
    Ok(CheckEvent { started_at, completed_at, suite_id, ..event })
}

/// Reads a payload of `workflow_job`; its name includes that of its workflow where the payload has it.
pub(super) fn workflow_job(root: &Object<'_>) -> Result<CheckEvent, PayloadError> {
    let fields = root.object("workflow_job")?;
    let job = fields.text("name")?;
    let name = match fields.owned_text("workflow_name")? {
        Some(workflow) => format!("{workflow} / {job}"),
        None => job.to_owned(),
    };
    let suite_id = fields.optional_number("run_id")?;
    Ok(CheckEvent { suite_id, ..common(root, &fields, CheckKind::WorkflowJob, name)? })
}

/// Reads a payload of `status`, whose fields lie in the payload itself.
pub(super) fn status(root: &Object<'_>) -> Result<CheckEvent, PayloadError> {
    let written = root.text("state")?;
    let (status, conclusion, unknown_status) = match written {
        "pending" => (CheckStatus::Queued, None, None),
        "success" | "failure" | "error" => (CheckStatus::Completed, Some(CheckConclusion::read(written)), None),
        // A state that did not exist when this was written is no end that anybody knows.
        other => (CheckStatus::Queued, None, Some(other.to_owned())),
    };
    let updated_at = root.time("updated_at")?;
    Ok(CheckEvent {
        kind: CheckKind::Status,
        repository: root.repository()?,
        head_sha: root.text("sha")?.to_owned(),
        pull_request_numbers: Vec::new(),
        name: root.text("context")?.to_owned(),
        status,
        unknown_status,
        conclusion,
        url: root.owned_text("target_url")?,
        started_at: None,
        completed_at: Some(updated_at).filter(|_| status == CheckStatus::Completed),
        updated_at: Some(updated_at),
        id: root.number("id")?,
        run_attempt: None,
        suite_id: None,
    })
}

/// What all kinds but commit statuses have in common.
fn common(root: &Object<'_>, fields: &Object<'_>, kind: CheckKind, name: String) -> Result<CheckEvent, PayloadError> {
    let conclusion = fields.optional_text("conclusion")?.map(CheckConclusion::read);
    let (status, unknown_status) = check_status(fields.optional_text("status")?, conclusion.is_some());
    let started_at = fields.optional_time("started_at")?;
    let completed_at = fields.optional_time("completed_at")?;
    // The end of a skipped job can lie before its beginning, so that the latest time is not always the end.
    let times = [started_at, completed_at, fields.optional_time("created_at")?, fields.optional_time("updated_at")?];
    Ok(CheckEvent {
        kind,
        repository: root.repository()?,
        head_sha: fields.text("head_sha")?.to_owned(),
        pull_request_numbers: pull_request_numbers(root, fields)?,
        name,
        status,
        unknown_status,
        conclusion,
        url: fields.owned_text("html_url")?,
        started_at,
        completed_at,
        updated_at: times.into_iter().flatten().max(),
        id: fields.number("id")?,
        run_attempt: fields.optional_number("run_attempt")?,
        suite_id: None,
    })
}

/// How far a check has come, and the word for it if that did not exist when this was written.
///
/// The status of a suite may be null, which says nothing more than its conclusion does. An unknown word says no more of
/// the order of reports. Those that GitHub has added so far (requested, waiting, pending) are like queued.
fn check_status(written: Option<&str>, is_concluded: bool) -> (CheckStatus, Option<String>) {
    let by_conclusion = if is_concluded { CheckStatus::Completed } else { CheckStatus::Queued };
    match written {
        Some("completed") => (CheckStatus::Completed, None),
        Some("in_progress") => (CheckStatus::InProgress, None),
        Some("queued" | "requested" | "waiting" | "pending") => (CheckStatus::Queued, None),
        Some(other) => (by_conclusion, Some(other.to_owned())),
        None => (by_conclusion, None),
    }
}

/// GitHub also lists pull requests of other repositories that hold the same commit; their numbers mean nothing here.
fn pull_request_numbers(root: &Object<'_>, fields: &Object<'_>) -> Result<Vec<u64>, PayloadError> {
    let here = root.object("repository")?.optional_number("id")?;
    let mut numbers = Vec::new();
    for listed in fields.objects("pull_requests")? {
        if here.is_none() || base_repository_id(&listed)?.is_none_or(|id| Some(id) == here) {
            numbers.push(listed.number("number")?);
        }
    }
    Ok(numbers)
}

fn base_repository_id(listed: &Object<'_>) -> Result<Option<u64>, PayloadError> {
    let Some(base) = listed.optional_object("base")? else { return Ok(None) };
    let Some(repository) = base.optional_object("repo")? else { return Ok(None) };
    repository.optional_number("id")
}

/// The first of the fields that holds a string that is not empty.
fn first_text(candidates: &[(&Object<'_>, &str)]) -> Result<Option<String>, PayloadError> {
    for (object, name) in candidates {
        if let Some(text) = object.owned_text(name)? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}
