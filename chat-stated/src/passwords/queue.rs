//! Who is hashed next: one line of waiting jobs per source, sources within their networks, each in turn.
//!
//! Half of the turns go to the newest who had none yet. So thousands who wait, from as many addresses, keep a newcomer
//! from elsewhere waiting for a few hashes, and not for theirs; the other half sees to it that they come to their end.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rounds::{Order, Round};

/// Who shares one line: an IPv4 address, or a /64 of IPv6, which one subscriber has to himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self(first_bits(address, 64)),
            address => Self(address),
        }
    }
}

/// Sources that share one place in the round: a /24 of IPv4, or a /48 of IPv6, which is what a party may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Network(IpAddr);

impl From<Source> for Network {
    fn from(source: Source) -> Self {
        Self(match source.0 {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() >> 8 << 8).into(),
            IpAddr::V6(address) => first_bits(address, 48),
        })
    }
}

fn first_bits(address: Ipv6Addr, bits: u32) -> IpAddr {
    let others = 128 - bits;
    Ipv6Addr::from_bits(address.to_bits() >> others << others).into()
}

/// Nothing more can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

/// Jobs of one source.
struct Line<Job> {
    jobs: VecDeque<(u64, Job)>,
    order: Order,
}

/// Sources of one network that have jobs waiting.
struct Waiting {
    sources: Round<Source>,
    jobs: usize,
    order: Order,
}

/// Jobs that wait, each under its ticket.
pub(super) struct FairQueue<Job> {
    lines: HashMap<Source, Line<Job>>,
    networks: HashMap<Network, Waiting>,
    round: Round<Network>,
    sources: HashMap<u64, Source>,
    max_waiting: usize,
    max_waiting_per_source: usize,
}

impl<Job> FairQueue<Job> {
    pub(super) fn new(max_waiting: usize, max_waiting_per_source: usize) -> Self {
        Self {
            lines: HashMap::new(),
            networks: HashMap::new(),
            round: Round::default(),
            sources: HashMap::new(),
            max_waiting,
            max_waiting_per_source,
        }
    }

    /// Puts a job behind those of its source. In a full queue it takes the place of the last job of the source with the
    /// longest line, or of the network with the most jobs, whose ticket is returned, unless its own would then have as
    /// many.
    pub(super) fn push(
        &mut self,
        source: Source,
        ticket: u64,
        job: Job,
    ) -> Result<Option<u64>, QueueFull> {
        let own_line = self.lines.get(&source).map_or(0, |line| line.jobs.len());
        if own_line >= self.max_waiting_per_source {
            return Err(QueueFull);
        }
        let displaced = if self.sources.len() >= self.max_waiting {
            Some(self.displace(source, own_line)?)
        } else {
            None
        };
        let waiting = self
            .networks
            .entry(source.into())
            .or_insert_with(|| Waiting {
                sources: Round::default(),
                jobs: 0,
                order: self.round.add(source.into()),
            });
        waiting.jobs += 1;
        let line = self.lines.entry(source).or_insert_with(|| Line {
            jobs: VecDeque::new(),
            order: waiting.sources.add(source),
        });
        line.jobs.push_back((ticket, job));
        let taken = self.sources.insert(ticket, source);
        assert!(taken.is_none(), "ticket {ticket} waits already");
        Ok(displaced)
    }

    /// The first job of the source whose turn it is.
    pub(super) fn pop(&mut self) -> Option<(u64, Job)> {
        let network = self.round.take_turn()?;
        let waiting = self.networks.get_mut(&network)?;
        waiting.order = self.round.add_again(network);
        let source = waiting.sources.take_turn()?;
        let line = self.lines.get_mut(&source)?;
        line.order = waiting.sources.add_again(source);
        let (ticket, job) = line.jobs.pop_front()?;
        self.sources.remove(&ticket);
        self.lost_one(source);
        Some((ticket, job))
    }

    /// Takes a job out before its turn. `false`: it does not wait.
    pub(super) fn remove(&mut self, ticket: u64) -> bool {
        let Some(source) = self.sources.remove(&ticket) else {
            return false;
        };
        if let Some(line) = self.lines.get_mut(&source) {
            line.jobs.retain(|(waiting, _)| *waiting != ticket);
        }
        self.lost_one(source);
        true
    }

    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    fn displace(&mut self, source: Source, own_line: usize) -> Result<u64, QueueFull> {
        let jobs_of = |source: Source| {
            let waiting = self.networks.get(&source.into());
            waiting.map_or(0, |waiting| waiting.jobs)
        };
        let longest = self.lines.iter().max_by_key(|(_, line)| line.jobs.len());
        let longest = longest.filter(|(_, line)| line.jobs.len() > own_line + 1);
        let from = match longest {
            Some((from, _)) => *from,
            None => {
                let crowded = self.lines.keys().max_by_key(|from| jobs_of(**from));
                let is_more = |from: &&Source| jobs_of(**from) > jobs_of(source) + 1;
                *crowded.filter(is_more).ok_or(QueueFull)?
            }
        };
        let line = self.lines.get_mut(&from).ok_or(QueueFull)?;
        let (ticket, _) = line.jobs.pop_back().ok_or(QueueFull)?;
        self.sources.remove(&ticket);
        self.lost_one(from);
        Ok(ticket)
    }

    /// A source has one job less.
    fn lost_one(&mut self, source: Source) {
        let network = source.into();
        let Some(waiting) = self.networks.get_mut(&network) else {
            return;
        };
        waiting.jobs -= 1;
        if let Some(line) = self.lines.get(&source)
            && line.jobs.is_empty()
        {
            waiting.sources.remove(line.order);
            self.lines.remove(&source);
        }
        if waiting.jobs == 0 {
            self.round.remove(waiting.order);
            self.networks.remove(&network);
        }
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
    fn flood_delays_other_by_one_job() {
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

    /// After how many hashes a newcomer from there has its own, behind 1,500 jobs of as many addresses of `waiting`.
    fn newcomer_waits(waiting: impl Fn(u32) -> IpAddr, newcomer: &str) -> usize {
        let mut queue = FairQueue::new(4_096, 1_024);
        for number in 0..1_500 {
            let source = waiting(number).into();
            queue.push(source, number.into(), ()).unwrap();
        }
        let newcomer: IpAddr = newcomer.parse().unwrap();
        queue.push(newcomer.into(), 9_999, ()).unwrap();
        let order = order(&mut queue);
        assert_eq!(order.len(), 1_501);
        let others: Vec<u64> = order
            .iter()
            .copied()
            .filter(|ticket| *ticket != 9_999)
            .collect();
        assert!(
            others.iter().position(|ticket| *ticket == 0).unwrap() < 8,
            "who came first"
        );
        order.iter().position(|ticket| *ticket == 9_999).unwrap()
    }

    #[test]
    fn many_sources_delay_new_job_little() {
        let everywhere = |number: u32| IpAddr::from((number * 1_000_003 + 7).to_be_bytes());
        let loopback = |number: u32| IpAddr::from((0x7f00_0001 + 2 * number).to_be_bytes());
        assert!(newcomer_waits(everywhere, "192.0.2.1") <= 3);
        assert!(newcomer_waits(loopback, "192.0.2.1") <= 3);
        // From among them: their networks have their turns.
        assert!(newcomer_waits(loopback, "127.0.0.200") <= 30);
        let v6 = |number: u32| {
            IpAddr::from(Ipv6Addr::from_bits(
                0x2001_0db8 << 96 | u128::from(number) << 64,
            ))
        };
        assert!(newcomer_waits(v6, "2001:db9::1") <= 3);
    }

    #[test]
    fn endless_new_jobs_starve_nobody() {
        let mut queue = FairQueue::new(1_000, 1_000);
        for ticket in 0..20 {
            queue.push(source(1), ticket, ()).unwrap();
        }
        let mut done = 0;
        for number in 0..200_u32 {
            let address = IpAddr::from((0x0a00_0000 + number * 256).to_be_bytes());
            queue
                .push(address.into(), 1_000 + u64::from(number), ())
                .unwrap();
            let (ticket, ()) = queue.pop().unwrap();
            done += usize::from(ticket < 20);
        }
        assert!(done > 0, "{done}");
    }

    #[test]
    fn full_queue_makes_room_for_another_network() {
        let mut queue = FairQueue::new(3, 3);
        for last in 1..=3 {
            queue.push(source(last), last.into(), ()).unwrap();
        }
        assert_eq!(queue.push(source(4), 4, ()), Err(QueueFull));
        let elsewhere: IpAddr = "198.51.100.1".parse().unwrap();
        assert!(matches!(
            queue.push(elsewhere.into(), 5, ()),
            Ok(Some(1..=3))
        ));
        let again: IpAddr = "198.51.100.2".parse().unwrap();
        assert_eq!(
            queue.push(again.into(), 6, ()),
            Err(QueueFull),
            "they have as many"
        );
    }

    #[test]
    fn source_has_limit_of_its_own() {
        let mut queue = FairQueue::new(10, 2);
        assert_eq!(queue.push(source(1), 1, ()), Ok(None));
        assert_eq!(queue.push(source(1), 2, ()), Ok(None));
        assert_eq!(queue.push(source(1), 3, ()), Err(QueueFull));
        assert_eq!(queue.push(source(2), 4, ()), Ok(None));
    }

    #[test]
    fn full_queue_favours_small_sources() {
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
        assert_eq!(order(&mut queue), [1, 10, 6, 9]);
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
            prop_assert!(queue.lines.is_empty() && queue.networks.is_empty());
            prop_assert!(queue.round.is_empty());
        }
    }
}
