//! Pages of messages and of their texts, in any order.

use std::collections::{BTreeMap, HashMap};

use chat_model::MessageNumber;

use super::message::{MessageKey, MessageParts, PageNumber, Readers, StoredMessage};
use super::messages::Messages;
use super::restore_error::RestoreError;

#[derive(Debug)]
pub(super) struct RestoredPage {
    pub(super) number: PageNumber,
    /// Its messages.
    pub(super) keys: Vec<(MessageNumber, MessageKey)>,
    pub(super) text_bytes: u64,
    pub(super) texts: RestoredTexts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestoredTexts {
    Missing,
    /// Its messages were read by the time the checkpoint was written.
    Nowhere,
    OnPage,
    Resident,
}

/// The pages of a state in the making. Their messages are put where they are to stay as they come.
#[derive(Debug)]
pub(super) struct RestoredPages {
    pages: Vec<RestoredPage>,
    indexes: HashMap<PageNumber, PageIndex>,
    /// Texts whose page has not come yet.
    early_texts: BTreeMap<PageNumber, Vec<(MessageNumber, Box<str>)>>,
    /// How many bytes of text may be in memory.
    resident_text_bytes: u64,
    /// How many are.
    taken_text_bytes: u64,
    /// Of the texts that have not come, how many bytes are not wanted; set once the first is asked for.
    unwanted_text_bytes: Option<u64>,
}

/// Where a page stands among those of a [`RestoredPages`].
type PageIndex = usize;

impl RestoredPages {
    /// None yet. No more than so many bytes of text are kept in memory.
    pub(super) fn within(resident_text_bytes: u64) -> Self {
        Self {
            pages: Vec::new(),
            indexes: HashMap::new(),
            early_texts: BTreeMap::new(),
            resident_text_bytes,
            taken_text_bytes: 0,
            unwanted_text_bytes: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// All pages, once every part was taken.
    pub(super) fn finish(
        mut self,
        messages: &mut Messages,
    ) -> Result<Vec<RestoredPage>, RestoreError> {
        for (number, texts) in std::mem::take(&mut self.early_texts) {
            let index = self.indexes.get(&number).copied();
            let index = index.ok_or(RestoreError::Contradiction("texts of no messages"))?;
            let texts = texts.iter().map(|(number, text)| (*number, &**text));
            self.add_texts_of(index, texts.collect(), messages)?;
        }
        let is_missing = |page: &RestoredPage| page.texts == RestoredTexts::Missing;
        if self.pages.iter().any(is_missing) {
            return Err(RestoreError::Contradiction("a page of texts is missing"));
        }
        if self.indexes.contains_key(&0) || self.indexes.len() < self.pages.len() {
            return Err(RestoreError::Contradiction(
                "a page has no number of its own",
            ));
        }
        Ok(self.pages)
    }

    /// Takes the messages of a page.
    pub(super) fn add(
        &mut self,
        number: PageNumber,
        listed: Vec<MessageParts>,
        texts: RestoredTexts,
        messages: &mut Messages,
    ) {
        let mut text_bytes = 0;
        let keys = listed.into_iter().map(|mut parts| {
            text_bytes += u64::from(parts.text_bytes);
            if let Readers::Some(group) = &parts.readers {
                parts.readers = Readers::Some(messages.group(group));
            }
            let number_of_message = parts.number;
            let key = messages.insert(StoredMessage::of_parts(parts, number));
            (number_of_message, key)
        });
        let keys = keys.collect();
        self.indexes.insert(number, self.pages.len());
        self.pages.push(RestoredPage {
            number,
            keys,
            text_bytes,
            texts,
        });
    }

    /// Takes the texts of a page.
    pub(super) fn add_texts(
        &mut self,
        page: PageNumber,
        texts: Vec<(MessageNumber, &str)>,
        messages: &mut Messages,
    ) -> Result<(), RestoreError> {
        if let Some(index) = self.indexes.get(&page) {
            return self.add_texts_of(*index, texts, messages);
        }
        let texts = texts
            .into_iter()
            .map(|(number, text)| (number, text.into()));
        self.early_texts.insert(page, texts.collect());
        Ok(())
    }

    /// Takes the texts of a page that is there; they are kept within the budget.
    fn add_texts_of(
        &mut self,
        index: PageIndex,
        texts: Vec<(MessageNumber, &str)>,
        messages: &mut Messages,
    ) -> Result<(), RestoreError> {
        let page = &mut self.pages[index];
        if page.texts == RestoredTexts::Nowhere {
            return Err(RestoreError::Contradiction(
                "texts of messages that have none",
            ));
        }
        let texts = texts_of_messages(texts, &page.keys, messages).ok_or(
            RestoreError::Contradiction("a page of texts is not that of its messages"),
        )?;
        page.texts = RestoredTexts::OnPage;
        if self.taken_text_bytes + page.text_bytes <= self.resident_text_bytes {
            self.taken_text_bytes += page.text_bytes;
            page.texts = RestoredTexts::Resident;
            for (text, (_, key)) in texts.into_iter().zip(&page.keys) {
                messages.put_text(*key, text);
            }
        }
        Ok(())
    }

    /// Whether this page of texts is wanted, once all is taken that is no text: of the texts, those of the newest pages
    /// are that fit into memory. To be asked once for each page.
    pub(super) fn wants_texts(&mut self, page: PageNumber) -> bool {
        let Some(index) = self.indexes.get(&page) else {
            // Taken, and found to be texts of nothing.
            return true;
        };
        let with_texts = |page: &&RestoredPage| page.texts != RestoredTexts::Nowhere;
        let all_bytes = self.pages.iter().filter(with_texts);
        let all_bytes = all_bytes.map(|page| page.text_bytes);
        let unwanted = self.unwanted_text_bytes.get_or_insert_with(|| {
            all_bytes
                .sum::<u64>()
                .saturating_sub(self.resident_text_bytes)
        });
        if *unwanted == 0 {
            return true;
        }
        let page = &mut self.pages[*index];
        if page.texts == RestoredTexts::Nowhere {
            // Taken, and found to contradict.
            return true;
        }
        *unwanted = unwanted.saturating_sub(page.text_bytes);
        page.texts = RestoredTexts::OnPage;
        false
    }

    /// A page of texts that was wanted is damaged: whether the state is of use without it.
    pub(super) fn does_without_texts(&mut self, page: PageNumber) -> bool {
        let Some(index) = self.indexes.get(&page) else {
            return false;
        };
        self.pages[*index].texts = RestoredTexts::OnPage;
        true
    }
}

/// The texts of a page's messages, one for each; nothing if they are not those. A page that was found damaged once has
/// texts of messages, too, that have left it.
fn texts_of_messages<'a>(
    texts: Vec<(MessageNumber, &'a str)>,
    keys: &[(MessageNumber, MessageKey)],
    messages: &Messages,
) -> Option<Vec<&'a str>> {
    let is_of = |(number, text): &(MessageNumber, &str), key: MessageKey| {
        let message = messages.get(key);
        *number == message.number && text.len() == message.text.len()
    };
    if texts.len() == keys.len() {
        let pairs = texts.into_iter().zip(keys);
        return pairs
            .map(|(text, (_, key))| is_of(&text, *key).then_some(text.1))
            .collect();
    }
    let by_number: HashMap<_, _> = texts.into_iter().collect();
    keys.iter()
        .map(|(number, key)| {
            let text = by_number.get(number).copied()?;
            is_of(&(*number, text), *key).then_some(text)
        })
        .collect()
}
