//! Pages of texts: what a checkpoint holds of messages apart from the rest, because it need not be in memory. Pure.

use std::borrow::Cow;
use std::collections::HashMap;

use chat_model::MessageNumber;

use crate::records::encoding::{self, encode_behind};
pub use crate::state::{TextPlace, Texts};

/// The table of the checkpoint whose records these pages are, by their number.
pub const TEXT_TABLE: u8 = 3;

/// What was read of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadTexts {
    /// Those that were found right. Those whose page was not there are in neither.
    pub texts: Texts,
    /// Those that are on damaged pages.
    pub damaged: Vec<DamagedTexts>,
}

impl From<Texts> for ReadTexts {
    fn from(texts: Texts) -> Self {
        let damaged = Vec::new();
        Self { texts, damaged }
    }
}

/// Texts that were to be read, and are on a page that is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedTexts {
    /// Whose texts.
    pub numbers: Vec<MessageNumber>,
    /// Where the damage is, what it is, and what to do, for people.
    pub error: String,
}

/// Why texts cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError<E> {
    /// A page cannot be read.
    #[error("{0}")]
    Read(E),
    /// A page was read, and does not hold what it must.
    #[error("page {page} of texts: {what}")]
    Damaged {
        /// Its number.
        page: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A page as it is stored.
pub fn encode<'a>(
    texts: impl ExactSizeIterator<Item = (MessageNumber, &'a str)> + Clone,
) -> Vec<u8> {
    const NUMBERS_BYTES: usize = 14;
    let bytes: usize = texts
        .clone()
        .map(|(_, text)| text.len() + NUMBERS_BYTES)
        .sum();
    let mut page = Vec::with_capacity(NUMBERS_BYTES + bytes);
    encode_behind(&mut page, &(texts.len() as u64));
    for (number, text) in texts {
        encode_behind(&mut page, &(number.0, text));
    }
    page
}

/// A page as it was stored; nothing if it cannot be read.
pub fn decode(bytes: &[u8]) -> Option<Vec<(MessageNumber, &str)>> {
    let mut rest = bytes;
    let count: u64 = encoding::decode_first(&mut rest)?;
    let mut texts = Vec::new();
    for _ in 0..count {
        let (number, text) = encoding::decode_first(&mut rest)?;
        texts.push((MessageNumber(number), text));
    }
    rest.is_empty().then_some(texts)
}

/// Looks texts up. `read` gives the pages of the checkpoint that is current, the same one all the time. Texts whose
/// page is not in it are left out.
pub fn find<E>(
    places: &[TextPlace],
    mut read: impl FnMut(u64) -> Result<Option<Vec<u8>>, E>,
) -> Result<Texts, TextError<E>> {
    let mut places = places.to_vec();
    places.sort_unstable_by_key(|place| (place.page, place.moved_to));
    let mut texts = Texts::new();
    for on_page in places.chunk_by(|one, other| one.page == other.page) {
        if find_on(on_page[0].page, on_page, &mut read, &mut texts)? {
            continue;
        }
        for moved in on_page.chunk_by(|one, other| one.moved_to == other.moved_to) {
            if let Some(page) = moved[0].moved_to {
                find_on(page, moved, &mut read, &mut texts)?;
            }
        }
    }
    Ok(texts)
}

/// Takes texts from one page; says whether that is there.
fn find_on<E>(
    page: u64,
    places: &[TextPlace],
    read: &mut impl FnMut(u64) -> Result<Option<Vec<u8>>, E>,
    texts: &mut Texts,
) -> Result<bool, TextError<E>> {
    let Some(bytes) = read(page).map_err(TextError::Read)? else {
        return Ok(false);
    };
    let damaged = |what| TextError::Damaged { page, what };
    let on_page: HashMap<_, _> = decode(&bytes)
        .ok_or_else(|| damaged("it cannot be read"))?
        .into_iter()
        .collect();
    for place in places {
        match on_page.get(&place.number) {
            Some(text) if text.len() == place.text_bytes as usize => {
                texts.insert(place.number, (*text).into());
            }
            Some(_) => return Err(damaged("a text has another length")),
            None => return Err(damaged("a text is missing")),
        }
    }
    Ok(true)
}

/// One text of a page that is being put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatheredText {
    /// It was in memory.
    Given(MessageNumber, Box<str>),
    /// It is on a page of the current checkpoint.
    Placed(TextPlace),
}

/// A new page. Some of its texts are still to be fetched from old ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// In the order in which they are to stand on the page.
    pub texts: Vec<GatheredText>,
}

impl Gathering {
    /// The page as it is to be stored; `read` as in [`find`].
    pub fn encode<E>(
        &self,
        read: impl FnMut(u64) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Vec<u8>, TextError<E>> {
        let places: Vec<TextPlace> = self
            .texts
            .iter()
            .filter_map(|text| match text {
                GatheredText::Placed(place) => Some(*place),
                GatheredText::Given(..) => None,
            })
            .collect();
        let found = find(&places, read)?;
        let texts = self.texts.iter().map(|text| match text {
            GatheredText::Given(number, text) => Ok((*number, text.as_ref())),
            GatheredText::Placed(place) => match found.get(&place.number) {
                Some(text) => Ok((place.number, text.as_ref())),
                None => Err(TextError::Damaged {
                    page: place.page,
                    what: "it is missing",
                }),
            },
        });
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        Ok(encode(texts.into_iter()))
    }

    /// Takes those out that are to be fetched from a page, and gives their numbers.
    pub fn take_placed_on(&mut self, page: u64) -> impl Iterator<Item = MessageNumber> {
        let is_on_page = move |text: &mut GatheredText| match text {
            GatheredText::Placed(place) => place.page == page,
            GatheredText::Given(..) => false,
        };
        let taken = self.texts.extract_if(.., is_on_page);
        taken.map(|text| match text {
            GatheredText::Given(number, _) => number,
            GatheredText::Placed(place) => place.number,
        })
    }

    fn text_bytes(&self) -> usize {
        let bytes = |text: &GatheredText| match text {
            GatheredText::Given(_, text) => text.len(),
            GatheredText::Placed(place) => place.text_bytes as usize,
        };
        self.texts.iter().map(bytes).sum()
    }
}

/// What a record of a checkpoint is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// This.
    Bytes(Vec<u8>),
    /// A page of texts.
    Texts(Gathering),
}

impl Content {
    /// The content as it is to be stored; `read` as in [`find`].
    pub fn encode<E>(
        &self,
        read: impl FnMut(u64) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Cow<'_, [u8]>, TextError<E>> {
        match self {
            Self::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::Texts(gathering) => gathering.encode(read).map(Cow::Owned),
        }
    }

    /// How long it is, roughly where it is not put together yet.
    pub fn approximate_len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Texts(gathering) => gathering.text_bytes(),
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const PLACE: TextPlace = TextPlace {
        number: MessageNumber(7),
        text_bytes: 5,
        page: 1,
        moved_to: Some(2),
    };

    fn page(texts: &[(u64, &str)]) -> Vec<u8> {
        encode(
            texts
                .iter()
                .map(|(number, text)| (MessageNumber(*number), *text)),
        )
    }

    /// Looks up one text in a checkpoint that has one page.
    fn found(
        place: TextPlace,
        number: u64,
        content: &[u8],
    ) -> Result<Texts, TextError<Infallible>> {
        find(&[place], |page| {
            Ok((page == number).then(|| content.to_vec()))
        })
    }

    #[test]
    fn moved_text_is_found() {
        let content = page(&[(9, "other"), (7, "hello")]);
        let texts = Texts::from([(MessageNumber(7), "hello".into())]);
        assert_eq!(found(PLACE, 1, &content), Ok(texts.clone()));
        assert_eq!(found(PLACE, 2, &content), Ok(texts));
        assert_eq!(found(PLACE, 3, &content), Ok(Texts::new()));
    }

    #[test]
    fn incomplete_page_is_named() {
        for content in [
            page(&[(7, "longer")]),
            page(&[(8, "hello")]),
            vec![1],
            [page(&[(7, "hello")]), vec![0]].concat(),
        ] {
            let result = found(PLACE, 1, &content);
            assert!(
                matches!(result, Err(TextError::Damaged { page: 1, .. })),
                "{result:?}"
            );
        }
    }

    #[test]
    fn page_combines_memory_and_pages() {
        let gathering = Gathering {
            texts: vec![
                GatheredText::Given(MessageNumber(3), "three".into()),
                GatheredText::Placed(PLACE),
            ],
        };
        let old = page(&[(7, "seven")]);
        let read = |wanted| Ok::<_, Infallible>((wanted == 1).then(|| old.clone()));
        let wanted = page(&[(3, "three"), (7, "seven")]);
        assert_eq!(gathering.encode(read), Ok(wanted));
        let error = gathering.encode(|_| Ok::<_, Infallible>(None));
        assert!(matches!(error, Err(TextError::Damaged { page: 1, .. })));
    }
}
