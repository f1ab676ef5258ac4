//! What repositories are called: in any case, and after they were renamed or transferred.
//!
//! A repository is the same by GitHub's number of it. [`Repository`] has every name that it had; the rows of projects,
//! pull requests and checks bear the newest one and are renamed with it. What it is called follows from all names that
//! were reported, each with the latest time, so it does not depend on the order in which they arrived.

use std::collections::BTreeSet;

use super::{
    github::{RepositoryEvent, RepositoryName},
    history::{Subject, record},
    pull_request_events::GITHUB,
};
use crate::{
    agent_manager::{error::Result, pull_requests::link_project, schema::*},
    prelude::*,
};

/// Checks that are renamed with their repository. Older ones are found by the names that it had, and renamed when
/// something is reported of their commit.
const MOST_CHECKS: usize = 1_000;
/// The time of a name that was reported without one. One that somebody typed has an earlier one.
const REPORTED: i64 = i64::MIN + 1;
/// Behind the name of a repository that another one has now.
const FORMERLY: char = '@';

/// The repository that has this name, in any case; where none has it now, the one that had it last.
pub(in crate::agent_manager) fn find(tx: &ReadTx, name: &str) -> Result<Option<Doc<Repository>>, crate::Error> {
    let key = key(name);
    let known = tx.query(Repository::by_key).eq(key.as_str()).collect()?;
    Ok(known.into_iter().max_by_key(|repository| (repository.name.to_lowercase() == key, claim(repository, &key))))
}

/// The name that rows of a repository bear, whichever of its names this is.
pub(in crate::agent_manager) fn current_name(tx: &ReadTx, name: &str) -> Result<String, crate::Error> {
    Ok(find(tx, name)?.map_or_else(|| name.to_owned(), |repository| repository.name.clone()))
}

/// The pull request with a number of a repository; where several were called so, of the one that has the name.
pub(in crate::agent_manager) fn find_pull_request(
    tx: &ReadTx,
    name: &str,
    number: u64,
) -> Result<Option<Doc<PullRequest>>, crate::Error> {
    let key = key(name);
    let mut known = tx.query(Repository::by_key).eq(key.as_str()).collect()?;
    known.sort_by_key(|repository| (repository.name.to_lowercase() == key, claim(repository, &key)));
    let names = known.iter().rev().map(|repository| repository.name.as_str());
    for name in names.chain([name]) {
        let found = tx.query(PullRequest::by_repository_and_number).eq((name, number)).unique()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Whether a project that is of the repository called `named` is of the one whose rows bear `borne`.
pub(in crate::agent_manager) fn is_same(named: &str, borne: &str) -> bool {
    let reported = borne.split(FORMERLY).next().unwrap_or(borne);
    named.to_lowercase() == reported.to_lowercase()
}

/// Takes the name of a repository that somebody has typed; answers the one that rows bear.
pub(in crate::agent_manager) fn typed(tx: &mut WriteTx, name: &str) -> Result<String> {
    if let Some(known) = find(tx, name)? {
        return Ok(known.name.clone());
    }
    tx.insert(new(None, name, i64::MIN))?;
    Ok(name.to_owned())
}

/// Takes the name of a repository from a report that was made at a time.
pub(super) fn know(tx: &mut WriteTx, named: &RepositoryName, at: Option<i64>) -> Result<Doc<Repository>> {
    let at = named.updated_at.max(at).unwrap_or(REPORTED);
    let id = existing(tx, named)?;
    add(tx, id, &[(named.full_name.clone(), at)], None)?;
    Ok(tx.existing(id)?)
}

/// Takes that a repository is called something else now.
pub(super) fn renamed(tx: &mut WriteTx, event: &RepositoryEvent) -> Result<()> {
    let before = RepositoryName { full_name: event.name_before.clone(), ..event.repository.clone() };
    let id = existing(tx, &before)?;
    let at = event.repository.updated_at.unwrap_or(REPORTED);
    let names = [(event.name_before.clone(), REPORTED), (event.repository.full_name.clone(), at)];
    let rename = (event.name_before.clone(), event.repository.full_name.clone());
    add(tx, id, &names, Some(rename))
}

/// Every name that checks of a repository may bear: its own, and those that it had and no other has now.
pub(super) fn names_of_checks(tx: &ReadTx, repository: &Doc<Repository>) -> Result<Vec<String>> {
    let mut borne = vec![repository.name.clone()];
    for name in names(repository).filter(|name| *name != repository.name) {
        borne.push(formerly(name, repository.source_id));
        let known = tx.query(Repository::by_key).eq(key(name).as_str());
        if known.filter(|other| other.id() != repository.id() && other.name == name).first()?.is_none() {
            borne.push(name.to_owned());
        }
    }
    Ok(borne)
}

fn names(repository: &Repository) -> impl Iterator<Item = &str> {
    repository.names.iter().map(|(name, _)| name.as_str())
}

/// What a repository is called while another has its name.
fn formerly(name: &str, source_id: Option<u64>) -> String {
    format!("{name}{FORMERLY}{}", source_id.unwrap_or(0))
}

fn key(name: &str) -> String {
    name.to_lowercase()
}

fn new(source_id: Option<u64>, name: &str, at: i64) -> Repository {
    let (name, keys) = (name.to_owned(), vec![key(name)]);
    Repository { source_id, name: name.clone(), names: vec![(name, at)], renames: Vec::new(), keys }
}

/// When a repository was last called so, in any case; of two of one time, the one that was made later counts.
fn claim(repository: &Repository, key: &str) -> (i64, Option<u64>) {
    let times = repository.names.iter().filter(|(name, _)| name.to_lowercase() == key).map(|(_, at)| *at);
    (times.max().unwrap_or(i64::MIN), repository.source_id)
}

/// The row of a repository, by its number or else by its name. Where people have named it before GitHub has, that row
/// becomes the one with the number.
fn existing(tx: &mut WriteTx, named: &RepositoryName) -> Result<Id<Repository>> {
    let key = key(&named.full_name);
    let Some(source_id) = named.id else {
        let known = find(tx, &named.full_name)?.map(|known| known.id());
        return known.map_or_else(|| Ok(tx.insert(new(None, &named.full_name, i64::MIN))?), Ok);
    };
    let own = tx.query(Repository::by_source_id).eq(Some(source_id)).first()?;
    let typed = tx.query(Repository::by_key).eq(key.as_str()).filter(|known| known.source_id.is_none()).first()?;
    match (own, typed) {
        (Some(own), None) => Ok(own.id()),
        (Some(own), Some(typed)) => {
            tx.delete(typed.id())?;
            rename_rows(tx, &typed.name, &own.name)?;
            add(tx, own.id(), &typed.names, None)?;
            link_projects(tx, &own.name)?;
            Ok(own.id())
        }
        (None, Some(typed)) => {
            tx.patch(typed.id(), |known: &mut Repository| known.source_id = Some(source_id))?;
            Ok(typed.id())
        }
        (None, None) => {
            // Until it is settled who has the name, its rows must not be those of another.
            let mut row = new(Some(source_id), &named.full_name, i64::MIN);
            row.name = formerly(&row.name, row.source_id);
            let id = tx.insert(row)?;
            settle(tx, &key)?;
            Ok(id)
        }
    }
}

/// Adds names, and which came after which; has every row bear what follows from it.
fn add(tx: &mut WriteTx, id: Id<Repository>, names: &[(String, i64)], rename: Option<(String, String)>) -> Result<()> {
    let before = tx.existing(id)?;
    tx.patch(id, |known: &mut Repository| {
        for (name, at) in names {
            match known.names.iter_mut().find(|(known, _)| known == name) {
                Some((_, known_at)) => *known_at = (*known_at).max(*at),
                None => known.names.push((name.clone(), *at)),
            }
        }
        known.renames.extend(rename.filter(|rename| !known.renames.contains(rename)));
        tidy(known);
    })?;
    let after = tx.existing(id)?;
    let keys = BTreeSet::from([key(newest(&before)), key(newest(&after))]);
    keys.iter().try_for_each(|key| settle(tx, key))
}

fn tidy(known: &mut Repository) {
    known.names.sort();
    known.renames.sort();
    known.keys = names(known).map(key).collect::<BTreeSet<_>>().into_iter().collect();
}

/// What a repository was called last: at the latest time, or after that by what GitHub says of the order. Where it was
/// given a name back, only the times tell.
fn newest(repository: &Repository) -> &str {
    let latest =
        repository.names.iter().max_by_key(|(name, at)| (*at, name)).map_or(repository.name.as_str(), |(name, _)| name);
    let (mut current, mut passed) = (latest, vec![key(latest)]);
    while let Some((_, next)) = repository.renames.iter().find(|(from, _)| key(from) == key(current)) {
        if passed.contains(&key(next)) {
            return latest;
        }
        passed.push(key(next));
        current = next;
    }
    current
}

/// Decides which of the repositories that were called so last has the name, and renames the rows of all of them.
fn settle(tx: &mut WriteTx, contested: &str) -> Result<()> {
    let known = tx.query(Repository::by_key).eq(contested).collect()?;
    let mut holders: Vec<_> = known.into_iter().filter(|known| key(newest(known)) == contested).collect();
    // The one that has the name comes last, so that the others have given it up.
    holders.sort_by_key(|known| claim(known, contested));
    let count = holders.len();
    let mut has_changed = false;
    for (place, known) in holders.iter().enumerate() {
        let (name, has_name) = (newest(known), place + 1 == count);
        let name = if has_name { name.to_owned() } else { formerly(name, known.source_id) };
        if name == known.name {
            continue;
        }
        rename_rows(tx, &known.name, &name)?;
        has_changed |= has_name;
        tx.patch(known.id(), |known: &mut Repository| known.name = name)?;
    }
    match holders.last().filter(|_| has_changed).map(|known| newest(known).to_owned()) {
        Some(name) => link_projects(tx, &name),
        None => Ok(()),
    }
}

/// Gives the tasks of the projects of a repository the pull requests that are there.
fn link_projects(tx: &mut WriteTx, name: &str) -> Result<()> {
    for project in tx.query(Project::by_repository).eq(Some(name.to_owned())).collect()? {
        link_project(tx, project.id())?;
    }
    Ok(())
}

/// Has every row of a repository bear its new name. Costs as many rows as it has pull requests and projects.
fn rename_rows(tx: &mut WriteTx, from: &str, to: &str) -> Result<()> {
    if from == to {
        return Ok(());
    }
    for row in tx.query(PullRequest::by_repository_and_number).eq(from).collect()? {
        let is_taken = tx.query(PullRequest::by_repository_and_number).eq((to, row.number)).unique()?.is_some();
        if !is_taken {
            tx.patch(row.id(), |row: &mut PullRequest| row.repository = to.to_owned())?;
        }
    }
    rename_checks(tx, from, to)?;
    if from.contains(FORMERLY) || to.contains(FORMERLY) {
        // Where another repository has the name now, the projects are its: most likely it was made anew.
        return Ok(());
    }
    for project in tx.query(Project::by_repository).eq(Some(from.to_owned())).collect()? {
        tx.patch(project.id(), |project: &mut Project| project.repository = Some(to.to_owned()))?;
        let details = Some(format!("{from} → {to}"));
        record(tx, Subject::Project(project.id()), "project.repository_renamed", GITHUB, details)?;
    }
    Ok(())
}

fn rename_checks(tx: &mut WriteTx, from: &str, to: &str) -> Result<()> {
    for check in tx.query(PrCheck::by_commit_suite_and_name).eq(from).take(MOST_CHECKS).collect()? {
        rename_check(tx, &check, to)?;
    }
    Ok(())
}

/// Has a check bear another name of its repository. Where another one bears that already, the newer report stays.
pub(super) fn rename_check(tx: &mut WriteTx, check: &Doc<PrCheck>, to: &str) -> Result<()> {
    let key = (to, check.head_sha.as_str(), check.suite, check.name.as_str());
    match tx.query(PrCheck::by_commit_suite_and_name).eq(key).unique()? {
        Some(same) if same.id() == check.id() => return Ok(()),
        Some(newer) if newer.reported >= check.reported => return Ok(tx.delete(check.id())?),
        Some(older) => tx.delete(older.id())?,
        None => {}
    }
    Ok(tx.patch(check.id(), |check: &mut PrCheck| check.repository = to.to_owned())?)
}
