//! What becomes of a checkpoint that was to move texts from a page that is damaged: that page stays.

use std::collections::{BTreeMap, BTreeSet};

use chat_model::MessageNumber;

use super::Change;
use super::tables::PAGE_TABLE;
use crate::records::{decode_page, encode_page};
use crate::state::State;
use crate::state::parts::MessageParts;
use crate::text_page::{Content, TEXT_TABLE};

/// A checkpoint could not be written, because texts were to move from a page that is damaged. Gives what the next
/// one has to begin with instead: these messages stay on that page.
pub fn keep_damaged_page(state: &mut State, page: u64, mut changes: Vec<Change>) -> Vec<Change> {
    let kept = take_out(page, &mut changes);
    let is_removal = |change: &Change| {
        change.key == page
            && matches!(change.table, PAGE_TABLE | TEXT_TABLE)
            && change.value.is_none()
    };
    changes.retain(|change| !is_removal(change));
    changes.push(Change {
        table: PAGE_TABLE,
        key: page,
        value: Some(encode_page(kept.values().map(MessageParts::as_ref)).into()),
    });
    state.keep_page(page, kept.into_keys());
    changes
}

/// Takes the messages out whose texts were to come from a page, from all new pages.
fn take_out(page: u64, changes: &mut [Change]) -> BTreeMap<MessageNumber, MessageParts> {
    let mut numbers_by_page = BTreeMap::new();
    for change in changes.iter_mut() {
        if let (TEXT_TABLE, Some(Content::Texts(gathering))) = (change.table, &mut change.value) {
            let numbers: BTreeSet<MessageNumber> = gathering.take_placed_on(page).collect();
            if !numbers.is_empty() {
                numbers_by_page.insert(change.key, numbers);
            }
        }
    }
    let mut taken = BTreeMap::new();
    for change in changes
        .iter_mut()
        .filter(|change| change.table == PAGE_TABLE)
    {
        let (Some(numbers), Some(Content::Bytes(bytes))) =
            (numbers_by_page.get(&change.key), &mut change.value)
        else {
            continue;
        };
        let listed = decode_page(bytes).expect("what was encoded just now can be decoded");
        let (leaving, staying): (Vec<_>, Vec<_>) = listed
            .into_iter()
            .partition(|listed| numbers.contains(&listed.number));
        *bytes = encode_page(staying.iter().map(MessageParts::as_ref));
        taken.extend(leaving.into_iter().map(|listed| (listed.number, listed)));
    }
    taken
}
