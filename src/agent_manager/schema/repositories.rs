//! What GitHub tells: repositories and pull requests.

use super::projects::Task;
use crate::{agent_manager::enums::*, prelude::*};

schema! {
    /// What a repository is and was called. Other rows bear its name, and are renamed with it.
    pub table Repository in "repositories" {
        /// GitHub's number of it; none as long as only people have named it.
        source_id: Option<u64>,
        /// The name that rows bear: the newest, with `@` and the number behind it while another repository has that name.
        name: String,
        /// Every name that it had, with the milliseconds since the epoch when it was last so called.
        names: Vec<(String, i64)>,
        /// Which name came after which, where GitHub has said so.
        renames: Vec<(String, String)>,
        /// The names in lower case: GitHub takes them in any case.
        keys: Vec<String>,
    } with {
        /// The one with GitHub's number.
        index by_source_id (source_id);
        /// Those that have or had a name, in lower case.
        multi by_key (keys);
    }

    /// A pull request, as its repository has reported it.
    pub table PullRequest in "pullRequests" {
        /// The task that it is for.
        task_id: Option<Id<Task>>,
        /// Where, as `owner/name`.
        repository: String,
        /// Which there.
        number: u64,
        /// In a few words.
        title: String,
        /// Where to look at it.
        url: String,
        /// Whose it is.
        author: String,
        /// The branch that it brings.
        head_branch: String,
        /// The branch that it is for.
        base_branch: String,
        /// Its newest commit.
        head_sha: String,
        /// Where it stands.
        state: PullRequestState,
        /// What its reviewers say.
        review: Review,
        /// What each reviewer said last: who, what, when, in which review, and when that was changed last.
        reviews: Vec<(String, Review, Timestamp, u64, Timestamp)>,
        /// Lines that it adds.
        additions: u64,
        /// Lines that it takes away.
        deletions: u64,
        /// Files that it touches.
        changed_files: u64,
        /// When it was taken in.
        merged_at: Option<Timestamp>,
        /// What was reported in its newest seconds, so that what was reported earlier and arrives later changes nothing.
        reported: String,
        /// The same, of lines and files.
        counted: String,
    } with {
        /// Those for a task.
        index by_task (task_id) on delete set null;
        /// The one with this number.
        unique by_repository_and_number (repository, number);
        /// Those that stand alike.
        index by_state (state);
        /// Those with this newest commit.
        index by_head_sha (head_sha);
        /// Those that bring a branch.
        index by_head_branch (head_branch);
    }

    /// What somebody said of a pull request.
    pub table PrComment in "prComments" {
        /// Of which.
        pull_request_id: Id<PullRequest>,
        /// What it is where it comes from.
        source_id: String,
        /// Who said it.
        author: String,
        /// What.
        body: String,
        /// Of which file.
        path: Option<String>,
        /// Of which line.
        line: Option<u64>,
        /// Whether that is settled.
        resolved: bool,
        /// Whether it was taken back where it comes from.
        deleted: bool,
        /// What was reported last of it.
        reported: String,
        /// The same, of whether it is settled.
        settled: String,
    } with {
        /// Of a pull request.
        index by_pull_request (pull_request_id) on delete cascade;
        /// The one that is this.
        unique by_source_id (source_id);
    }

    /// What an agent found in a pull request.
    pub table PrIssue in "prIssues" {
        /// In which.
        pull_request_id: Id<PullRequest>,
        /// How bad it is.
        severity: Severity,
        /// What it is.
        message: String,
        /// In which file.
        path: Option<String>,
        /// In which line.
        line: Option<u64>,
        /// What became of it.
        status: IssueStatus,
    } with {
        /// Of a pull request.
        index by_pull_request (pull_request_id) on delete cascade;
        /// Of a pull request, as bad as this.
        index by_pull_request_and_severity (pull_request_id, severity);
    }

    /// A check of a commit. It belongs to the pull request whose newest commit that is, as long as it is.
    pub table PrCheck in "prChecks" {
        /// To which, if one is known.
        pull_request_id: Option<Id<PullRequest>>,
        /// In which repository.
        repository: String,
        /// Which commit.
        head_sha: String,
        /// GitHub's number of the suite that it belongs to; for the job of a workflow, of the run.
        suite: Option<u64>,
        /// Its name: one of a name for each suite.
        name: String,
        /// How far it has come.
        status: CheckStatus,
        /// What came of it.
        conclusion: Option<String>,
        /// Where to look at it.
        url: Option<String>,
        /// When it began.
        started_at: Option<Timestamp>,
        /// When it ended.
        completed_at: Option<Timestamp>,
        /// What was reported last of it.
        reported: String,
    } with {
        /// Of a pull request, by name.
        index by_pull_request (pull_request_id, name) on delete set null;
        /// The one of this name and suite, of a commit.
        unique by_commit_suite_and_name (repository, head_sha, suite, name);
    }
}
