//! What is done to several processes at once. Decides that they are hit together and that all is undone together.

use super::Cluster;
use crate::{Process, kill_process};

impl Cluster {
    /// `kill -9` of several members: all are sent it before the end of any is awaited.
    pub async fn kill_members(&mut self, nodes: &[u64]) {
        let hit = self.infrastructure.iter().filter(|member| nodes.contains(&member.node));
        let running = hit.filter_map(|member| member.process.as_ref());
        running.filter(|each| each.is_alive()).for_each(|each| kill_process(each.pid()));
        for node in nodes {
            self.kill_member(*node).await;
        }
    }

    /// Lets every process go on that was stopped in its tracks.
    pub fn resume(&self) {
        let members = self.infrastructure.iter().filter_map(|member| member.process.as_ref());
        let managers = self.implementations.iter().flat_map(|each| &each.managers);
        let managers = managers.filter_map(|manager| manager.process.as_ref());
        members.chain(managers).filter(|process| process.is_alive()).for_each(Process::resume);
    }
}
