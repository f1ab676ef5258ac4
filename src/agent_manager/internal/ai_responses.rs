//! Answers to messages: load what was said, ask the provider, write down what it says.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use crate::{
    Error,
    agent_manager::{
        Limits,
        ai_provider::{AiError, AiMessage, AiProvider, AiRequest, AiRole},
        enums::*,
        error::{AgentError, Result},
        lists::LISTED,
        schema::*,
    },
    prelude::*,
};

/// Who answers, as the functions find it.
pub(in crate::agent_manager) struct Provider(pub(in crate::agent_manager) Arc<dyn AiProvider>);

schema! {
    /// What was said so far, for whoever answers.
    pub(in crate::agent_manager) struct Conversation {
        /// What it is about.
        system: String,
        /// Who said what, oldest first.
        messages: Vec<(ChatAuthor, String)>,
    }
}

functions! {
    /// The internal functions of answers.
    pub(in crate::agent_manager) module AiFunctions;

    /// What an answer that is awaited has to know; nothing if it is not awaited any more.
    pub(in crate::agent_manager) query LoadConversation in "ai:loadConversation" {
        id: Id<ChatMessage>,
        round: u32,
    } -> Option<Conversation> = load;

    /// Asks the provider and writes down what it says.
    pub(in crate::agent_manager) action Respond in "ai:respond" {
        id: Id<ChatMessage>,
        round: u32,
    } -> Result<bool, AgentError> = respond;

    /// Writes an answer down, if it is still awaited.
    pub(in crate::agent_manager) mutation CompleteAnswer in "ai:complete" {
        id: Id<ChatMessage>,
        round: u32,
        text: String,
    } -> bool |tx| { settle(tx, id, round, ChatStatus::Complete, text) }

    /// Writes down that there is no answer, if it is still awaited.
    pub(in crate::agent_manager) mutation FailAnswer in "ai:fail" {
        id: Id<ChatMessage>,
        round: u32,
        reason: String,
    } -> bool |tx| { settle(tx, id, round, ChatStatus::Failed, reason) }

    /// Gives an answer up that has not come.
    pub(in crate::agent_manager) mutation ExpireAnswer in "ai:expire" {
        id: Id<ChatMessage>,
        round: u32,
    } -> bool |tx| {
        settle(tx, id, round, ChatStatus::Failed, "no answer came in time".to_owned())
    }
}

/// Ends the wait for an answer, if it is still awaited of whoever was asked in this round.
pub(in crate::agent_manager) fn settle(
    tx: &mut WriteTx,
    id: Id<ChatMessage>,
    round: u32,
    status: ChatStatus,
    text: String,
) -> Result<bool, Error> {
    let is_awaited = tx.get(id)?.is_some_and(|message| is_awaited(&message, round));
    if is_awaited {
        tx.patch(id, |message: &mut ChatMessage| (message.status, message.text) = (status, text))?;
    }
    Ok(is_awaited)
}

fn is_awaited(message: &ChatMessage, round: u32) -> bool {
    message.status == ChatStatus::Pending && message.round == round
}

fn load(tx: &ReadTx, arguments: &LoadConversation) -> Result<Option<Conversation>, Error> {
    let Some(answer) = tx.get(arguments.id)?.filter(|message| is_awaited(message, arguments.round)) else {
        return Ok(None);
    };
    let limit = Limits::of(tx).conversation_messages.max(1);
    let (system, mut messages) = match (answer.task_id, answer.project_id) {
        (Some(task), _) => {
            (about_task(tx, task)?, last(tx.query(ChatMessage::by_task).eq(Some(task)), limit, &answer)?)
        }
        (None, Some(project)) => {
            let said = tx.query(ChatMessage::by_project).eq(Some(project));
            (about_project(tx, project)?, last(said, limit, &answer)?)
        }
        (None, None) => (String::new(), Vec::new()),
    };
    messages.reverse();
    Ok(Some(Conversation { system, messages }))
}

/// The last messages before an answer, newest first.
fn last<K, R>(
    said: crate::IndexQuery<'_, ChatMessage, K, R>,
    limit: usize,
    answer: &Doc<ChatMessage>,
) -> Result<Vec<(ChatAuthor, String)>, Error> {
    let id = answer.id();
    let said = said.filter(move |message| message.id() < id && message.status == ChatStatus::Complete);
    let said = said.descending().take(limit).collect()?;
    Ok(said.iter().map(|message| (message.author, message.text.clone())).collect())
}

fn about_project(tx: &ReadTx, id: Id<Project>) -> Result<String, Error> {
    let Some(project) = tx.get(id)? else { return Ok(String::new()) };
    let mut text = format!("You assist the people who work on the software project {:?}.\n", project.name);
    for (title, part) in [("Description", &project.description), ("Specification", &project.specification)] {
        if !part.is_empty() {
            text.push_str(&format!("\n## {title}\n{part}\n"));
        }
    }
    text.push_str("\n## Tasks\n");
    for task in tx.query(Task::by_project_and_category).eq(id).take(LISTED).iter()? {
        let task = task?;
        text.push_str(&format!("- [{}] {} ({})\n", task.category, task.title, task.priority));
    }
    Ok(text)
}

fn about_task(tx: &ReadTx, id: Id<Task>) -> Result<String, Error> {
    let Some(task) = tx.get(id)? else { return Ok(String::new()) };
    let project = tx.get(task.project_id)?.map(|project| project.name.clone()).unwrap_or_default();
    let mut text = format!(
        "You assist the people who work on the task {:?} ({}, priority {}) of the software project {project:?}.\n",
        task.title, task.category, task.priority
    );
    if !task.description.is_empty() {
        text.push_str(&format!("\n## Description\n{}\n", task.description));
    }
    text.push_str("\n## Acceptance criteria\n");
    for criterion in tx.query(AcceptanceCriterion::by_task).eq(id).take(LISTED).iter()? {
        let criterion = criterion?;
        text.push_str(&format!("- [{}] {}\n", if criterion.done { "x" } else { " " }, criterion.text));
    }
    for pull_request in tx.query(PullRequest::by_task).eq(Some(id)).take(LISTED).iter()? {
        let pull_request = pull_request?;
        let PullRequest { repository, number, title, state, review, .. } = &*pull_request;
        text.push_str(&format!("\nPull request {repository}#{number} {title:?}: {state}, review {review}\n"));
    }
    Ok(text)
}

/// What cannot be mended by asking again, and the last failure, is written into the message.
fn respond(context: &ActionContext, arguments: &Respond) -> Result<bool> {
    let Respond { id, round } = *arguments;
    let Some(conversation) = &*context.query(LoadConversation { id, round })? else { return Ok(false) };
    let Some(provider) = context.resource::<Provider>() else {
        let reason = "there is no provider; give one to `AgentManager::provider`".to_owned();
        return Ok(context.mutate(FailAnswer { id, round, reason })?);
    };
    let answer = panic::catch_unwind(AssertUnwindSafe(|| provider.0.answer(&request(conversation))));
    let answer = match answer {
        Ok(answer) => answer,
        Err(payload) => {
            if context.is_last_attempt() {
                context.mutate(FailAnswer { id, round, reason: "the AI provider panicked".to_owned() })?;
            }
            panic::resume_unwind(payload)
        }
    };
    match answer {
        Ok(answer) => Ok(context.mutate(CompleteAnswer { id, round, text: answer.text })?),
        Err(error) if error.is_worth_retrying() && !context.is_last_attempt() => {
            if let Some(wait) = error.retry_after() {
                context.retry_after(wait);
            }
            Err(unanswered(&error))
        }
        Err(error) => {
            context.give_up();
            context.mutate(FailAnswer { id, round, reason: error.to_string() })?;
            Err(unanswered(&error))
        }
    }
}

fn unanswered(error: &AiError) -> AgentError {
    AgentError::Unanswered { reason: error.to_string() }
}

fn request(conversation: &Conversation) -> AiRequest {
    let message = |(author, text): &(ChatAuthor, String)| {
        let role = match author {
            ChatAuthor::User | ChatAuthor::System => AiRole::User,
            ChatAuthor::Ai => AiRole::Assistant,
        };
        AiMessage { role, text: text.clone() }
    };
    AiRequest { system: conversation.system.clone(), messages: conversation.messages.iter().map(message).collect() }
}
