//! Containers on servers.

use super::{
    enums::*,
    error::{AgentError, not_empty},
    internal::history::{Subject, record},
    lists::{LISTED, bounded},
    schema::*,
};
use crate::prelude::*;

functions! {
    /// The functions of containers.
    pub module ContainerFunctions;

    /// Those of a server, or of it those that do alike.
    pub query ListContainers in "containers:list" {
        server_id: Id<Server>,
        status: Option<ContainerStatus>,
        /// How many at most; 10,000 is the most there are.
        limit: usize = LISTED,
    } -> Vec<Doc<Container>> |tx| {
        let limit = bounded(limit);
        match status {
            Some(status) => tx.query(Container::by_server_and_status).eq((server_id, status)).take(limit).collect(),
            None => tx.query(Container::by_server).eq(server_id).take(limit).collect(),
        }
    }

    /// Adds one.
    pub mutation CreateContainer in "containers:create" {
        server_id: Id<Server>,
        name: String,
        image: String,
        status: ContainerStatus = ContainerStatus::Running,
        ports: Vec<String> = Vec::new(),
        user: String = "system".to_owned(),
    } -> Result<Id<Container>, AgentError> |tx| {
        not_empty("name", &name)?;
        not_empty("image", &image)?;
        tx.existing(server_id)?;
        let id = tx.insert(Container { server_id, name: name.clone(), image, status, ports })?;
        record(tx, Subject::None, "container.created", &user, Some(name))?;
        Ok(id)
    }

    /// Changes what is given, and leaves the rest.
    pub mutation UpdateContainer in "containers:update" {
        id: Id<Container>,
        image: Option<String>,
        status: Option<ContainerStatus>,
        ports: Option<Vec<String>>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        if let Some(image) = &image {
            not_empty("image", image)?;
        }
        tx.patch(id, |container: &mut Container| {
            container.image = image.unwrap_or_else(|| container.image.clone());
            container.status = status.unwrap_or(container.status);
            container.ports = ports.unwrap_or_else(|| container.ports.clone());
        })?;
        record(tx, Subject::None, "container.updated", &user, Some(id.to_string()))
    }

    /// Deletes one.
    pub mutation DeleteContainer in "containers:delete" {
        id: Id<Container>,
        user: String = "system".to_owned(),
    } -> Result<(), AgentError> |tx| {
        tx.delete(id)?;
        record(tx, Subject::None, "container.deleted", &user, Some(id.to_string()))
    }
}
