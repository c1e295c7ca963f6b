//! Who is hashed next: one line of waiting jobs per source, and each source in turn.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

/// A network that shares one place in the round: an IPv4 address, or a /64 of IPv6, which one subscriber has to himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() >> 64 << 64;
                Self(Ipv6Addr::from_bits(network).into())
            }
            address => Self(address),
        }
    }
}

/// Nothing more can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

/// Jobs that wait, each under its ticket.
pub(super) struct FairQueue<Job> {
    lines: HashMap<Source, VecDeque<(u64, Job)>>,
    /// The sources that have jobs waiting, in the order in which they are served.
    round: VecDeque<Source>,
    sources: HashMap<u64, Source>,
    max_waiting: usize,
    max_waiting_per_source: usize,
}

impl<Job> FairQueue<Job> {
    pub(super) fn new(max_waiting: usize, max_waiting_per_source: usize) -> Self {
        Self {
            lines: HashMap::new(),
            round: VecDeque::new(),
            sources: HashMap::new(),
            max_waiting,
            max_waiting_per_source,
        }
    }

    /// Puts a job behind those of its source. In a full queue it takes the place of the last job of the
    /// source with the longest line, whose ticket is returned, unless its own line would then be as long.
    pub(super) fn push(
        &mut self,
        source: Source,
        ticket: u64,
        job: Job,
    ) -> Result<Option<u64>, QueueFull> {
        let own_line = self.lines.get(&source).map_or(0, VecDeque::len);
        if own_line >= self.max_waiting_per_source {
            return Err(QueueFull);
        }
        let displaced = if self.sources.len() >= self.max_waiting {
            Some(self.displace(own_line)?)
        } else {
            None
        };
        let line = self.lines.entry(source).or_default();
        if line.is_empty() {
            self.round.push_back(source);
        }
        line.push_back((ticket, job));
        let taken = self.sources.insert(ticket, source);
        assert!(taken.is_none(), "ticket {ticket} waits already");
        Ok(displaced)
    }

    /// The first job of the source whose turn it is.
    pub(super) fn pop(&mut self) -> Option<(u64, Job)> {
        let source = self.round.pop_front()?;
        let line = self.lines.get_mut(&source)?;
        let (ticket, job) = line.pop_front()?;
        if line.is_empty() {
            self.lines.remove(&source);
        } else {
            self.round.push_back(source);
        }
        self.sources.remove(&ticket);
        Some((ticket, job))
    }

    /// Takes a job out before its turn. `false`: it does not wait.
    pub(super) fn remove(&mut self, ticket: u64) -> bool {
        let Some(source) = self.sources.remove(&ticket) else {
            return false;
        };
        let Some(line) = self.lines.get_mut(&source) else {
            return false;
        };
        line.retain(|(waiting, _)| *waiting != ticket);
        if line.is_empty() {
            self.leave_round(source);
        }
        true
    }

    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    fn displace(&mut self, own_line: usize) -> Result<u64, QueueFull> {
        let longest = self.lines.iter_mut().max_by_key(|(_, line)| line.len());
        let Some((_, line)) = longest.filter(|(_, line)| line.len() > own_line + 1) else {
            return Err(QueueFull);
        };
        let (ticket, _) = line.pop_back().ok_or(QueueFull)?;
        self.sources.remove(&ticket);
        Ok(ticket)
    }

    fn leave_round(&mut self, source: Source) {
        self.lines.remove(&source);
        self.round.retain(|waiting| *waiting != source);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(last: u8) -> Source {
        IpAddr::from([192, 0, 2, last]).into()
    }

    fn order(queue: &mut FairQueue<()>) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop().map(|(ticket, ())| ticket)).collect()
    }

    #[test]
    fn sources_are_addresses_and_ipv6_networks() {
        let of = |text: &str| Source::from(text.parse::<IpAddr>().unwrap());
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
    }

    #[test]
    fn a_flood_from_one_source_delays_another_by_one_job() {
        let mut queue = FairQueue::new(1_000, 1_000);
        for ticket in 0..500 {
            queue.push(source(1), ticket, ()).unwrap();
        }
        queue.push(source(2), 900, ()).unwrap();
        let order = order(&mut queue);
        assert_eq!(order[1], 900);
        let flood: Vec<u64> = order.into_iter().filter(|ticket| *ticket != 900).collect();
        assert_eq!(flood, (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn a_source_has_a_limit_of_its_own() {
        let mut queue = FairQueue::new(10, 2);
        assert_eq!(queue.push(source(1), 1, ()), Ok(None));
        assert_eq!(queue.push(source(1), 2, ()), Ok(None));
        assert_eq!(queue.push(source(1), 3, ()), Err(QueueFull));
        assert_eq!(queue.push(source(2), 4, ()), Ok(None));
    }

    #[test]
    fn a_full_queue_makes_room_for_who_has_less() {
        let mut queue = FairQueue::new(4, 4);
        for ticket in 1..=4 {
            queue.push(source(1), ticket, ()).unwrap();
        }
        assert_eq!(queue.push(source(1), 5, ()), Err(QueueFull));
        assert_eq!(queue.push(source(2), 6, ()), Ok(Some(4)));
        assert_eq!(queue.push(source(2), 7, ()), Ok(Some(3)));
        assert_eq!(queue.push(source(2), 8, ()), Err(QueueFull));
        assert_eq!(
            queue
                .push(source(3), 9, ())
                .map(|displaced| displaced.is_some()),
            Ok(true)
        );
        assert_eq!(
            queue
                .push(source(4), 10, ())
                .map(|displaced| displaced.is_some()),
            Ok(true)
        );
        assert_eq!(queue.push(source(5), 11, ()), Err(QueueFull));
        assert_eq!(queue.len(), 4);
        assert_eq!(order(&mut queue), [1, 6, 9, 10]);
    }

    #[test]
    fn what_was_removed_never_comes() {
        let mut queue = FairQueue::new(10, 10);
        queue.push(source(1), 1, ()).unwrap();
        queue.push(source(1), 2, ()).unwrap();
        queue.push(source(2), 3, ()).unwrap();
        assert!(queue.remove(1));
        assert!(queue.remove(3));
        assert!(!queue.remove(3));
        assert_eq!(order(&mut queue), [2]);
        assert!(!queue.remove(2));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Pop,
        Remove(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..4_u8).prop_map(Step::Push),
            1 => Just(Step::Pop),
            1 => (0..60_u64).prop_map(Step::Remove),
        ]
    }

    proptest! {
        /// Every job comes out once, or was refused, displaced or removed; within a source in order.
        #[test]
        fn every_job_is_accounted_for(steps in proptest::collection::vec(step(), 0..60)) {
            let mut queue = FairQueue::new(8, 5);
            let mut waiting: Vec<(u64, u8)> = Vec::new();
            for (ticket, step) in (0_u64..).zip(steps) {
                match step {
                    Step::Push(from) => if let Ok(displaced) = queue.push(source(from), ticket, ()) {
                        waiting.retain(|(other, _)| Some(*other) != displaced);
                        waiting.push((ticket, from));
                    },
                    Step::Pop => {
                        let popped = queue.pop().map(|(ticket, ())| ticket);
                        prop_assert_eq!(popped.is_none(), waiting.is_empty());
                        if let Some(ticket) = popped {
                            let at = waiting.iter().position(|(other, _)| *other == ticket);
                            let (_, from) = waiting.remove(at.expect("it waited"));
                            prop_assert!(waiting.iter().all(|(other, of)| *of != from || *other > ticket));
                        }
                    }
                    Step::Remove(ticket) => {
                        let waited = waiting.iter().any(|(other, _)| *other == ticket);
                        prop_assert_eq!(queue.remove(ticket), waited);
                        waiting.retain(|(other, _)| *other != ticket);
                    }
                }
                prop_assert_eq!(queue.len(), waiting.len());
                prop_assert!(queue.len() <= 8);
            }
            let mut rest = order(&mut queue);
            rest.sort_unstable();
            let expected: Vec<u64> = waiting.iter().map(|(ticket, _)| *ticket).collect();
            prop_assert_eq!(rest, expected);
            prop_assert!(queue.lines.is_empty() && queue.round.is_empty());
        }
    }
}
