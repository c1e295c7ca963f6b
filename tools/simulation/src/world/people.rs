//! Clients, and the network between them and the workers.

use super::{WORKERS, World};
use crate::client::News;
use crate::daemon::BLOCK_TIME_MS;
use crate::oracle::UNUSED_MS;
use crate::tcp::{Fin, Tcp};
use crate::worker::TcpId;

impl World {
    pub(super) fn client_speaks(&mut self, index: usize) {
        let plain = self.clients.iter().filter(|client| client.is_plain());
        let users: Vec<(String, bool)> = plain
            .map(|client| (client.name.clone(), self.registered.contains(&client.user)))
            .collect();
        let client = &mut self.clients[index];
        if client.talk.is_none() {
            let rests = !self.is_draining && self.now_ms < client.rests_until_ms;
            // The plain session is the first of each user.
            let is_early = !client.is_plain() && !self.were_in.contains(&client.user);
            let is_over = client.is_drained || (self.is_draining && !client.has_account);
            let is_over = is_over || rests || is_early;
            let worker = self.rng.usize(..WORKERS);
            if let (false, Some(worker)) = (is_over, &mut self.workers[worker]) {
                self.next_tcp += 1;
                self.tcps.insert(self.next_tcp, Tcp::new());
                worker.connect(self.next_tcp, client.address);
                client.connected(index, self.next_tcp);
                self.oracle.opened(self.next_tcp, client.seat);
            }
            return;
        }
        client.say(&mut self.oracle, &users, self.now_ms, &mut self.rng);
        let Some(talk) = &mut client.talk else {
            return;
        };
        let Some(tcp) = self.tcps.get_mut(&talk.tcp) else {
            return;
        };
        if tcp.client_fin != Fin::Open {
            return;
        }
        let count = self.rng.usize(..=talk.output.len());
        let bytes: Vec<u8> = talk.output.drain(..count).collect();
        tcp.to_worker.write(&bytes);
        self.oracle.client_sent(talk.tcp, &bytes);
        if talk.wants_fin && talk.output.is_empty() {
            tcp.client_fin = Fin::Sent;
        }
    }

    pub(super) fn client_reads(&mut self, index: usize) -> Result<(), String> {
        let Some(id) = self.clients[index].talk.as_ref().map(|talk| talk.tcp) else {
            return Ok(());
        };
        let Some(tcp) = self.tcps.get_mut(&id) else {
            return Ok(());
        };
        if tcp.is_reset {
            self.hang_up(index, id);
            return Ok(());
        }
        let bytes = tcp.at_client.read(self.rng.usize(..200));
        let is_at_end =
            tcp.worker_fin == Fin::Sent && tcp.to_client.len() == 0 && tcp.at_client.len() == 0;
        let client = &mut self.clients[index];
        let news = client.read(&bytes, &mut self.oracle, self.now_ms, BLOCK_TIME_MS)?;
        for news in news {
            self.take_news(index, news)?;
        }
        if is_at_end {
            self.hang_up(index, id);
        }
        Ok(())
    }

    fn take_news(&mut self, index: usize, news: News) -> Result<(), String> {
        let user = self.clients[index].user;
        match news {
            News::Registered => {
                self.registered.insert(user);
                self.clients[index].has_account = true;
            }
            News::LoggedIn => {
                self.report.logins += 1;
                // A login shows that the account exists, even if its registration's answer was cut off.
                self.clients[index].has_account = true;
                self.registered.insert(user);
                self.were_in.insert(user);
            }
        }
        Ok(())
    }

    /// A client's connection is over for it; it closes its side.
    pub(super) fn hang_up(&mut self, index: usize, id: TcpId) {
        let client = &mut self.clients[index];
        client.is_drained |= client.is_draining && client.has_left();
        client.talk = None;
        if !client.is_plain() && self.rng.u8(..3) == 0 {
            client.rests_until_ms = self.now_ms + self.rng.u64(..3 * UNUSED_MS);
        }
        if let Some(tcp) = self.tcps.get_mut(&id) {
            tcp.is_let_go_by_client = true;
            if tcp.client_fin == Fin::Open {
                tcp.client_fin = Fin::Sent;
            }
        }
    }

    pub(super) fn network_delivers(&mut self) {
        for (id, tcp) in &mut self.tcps {
            if tcp.is_reset || self.rng.bool() {
                continue;
            }
            let bytes = tcp.to_worker.read(self.rng.usize(..150));
            tcp.at_worker.write(&bytes);
            tcp.arrived_at_worker += bytes.len() as u64;
            if tcp.has_client_fin_arrived() {
                self.oracle.ended(*id, self.now_ms);
            }
            let bytes = tcp.to_client.read(self.rng.usize(..300));
            if tcp.is_let_go_by_client && !bytes.is_empty() {
                // A kernel acknowledges nothing for a program that is gone.
                tcp.is_reset = true;
                self.oracle.ended(*id, self.now_ms);
                continue;
            }
            tcp.at_client.write(&bytes);
            tcp.arrived_at_client += bytes.len() as u64;
            // An acknowledgement does not overtake what its side had sent before it.
            if tcp.to_worker.len() == 0 {
                tcp.acknowledgements -= self.rng.u64(..=tcp.acknowledgements);
            }
            tcp.acknowledgements += bytes.len() as u64;
            self.oracle.arrived(*id, &bytes, self.now_ms);
        }
        for (id, _) in self.tcps.extract_if(.., |_, tcp| tcp.is_dead()) {
            self.oracle.closed(id, self.now_ms);
        }
    }
}
