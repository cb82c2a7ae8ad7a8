//! What the engine reads of the state.

use std::sync::PoisonError;

use event::body::decision::Dimensions;
use event::{EventId, IdentityId, ProgramName};

use super::State;
use super::keys::{behind_pair, id_epoch};
use crate::evidence::{
    Evidence, Fact, KnownTouch, MERGED_IDS_MAX, MERGES_PER_PAIR_MAX, MergeEdge, Reached, Scope,
    Stamp,
};
use crate::store::StoreError;
use crate::store::codec::{Reader, damaged, times};
use crate::store::kv::{Kv, Table};
use crate::store::recent::{EPOCH_MAX, Gathered, PersonKey};

impl<K: Kv> Evidence for State<K> {
    type Error = StoreError;

    fn merges(
        &self,
        scope: &Scope,
        id: &IdentityId,
        joins: &dyn Fn(&Stamp) -> bool,
        out: &mut Vec<MergeEdge>,
    ) -> Result<(), StoreError> {
        let prefix = self.id_prefix(scope, id);
        if prefix.is_empty() {
            return Ok(());
        }
        let mut from = Some(prefix.clone());
        let (mut others, mut last, mut of_pair) = (0_usize, None, 0_usize);
        while let Some(start) = from.take() {
            self.kv.scan(Table::Merges, &prefix, &start, &mut |key, value| {
                let mut reader = Reader(key.get(prefix.len()..).ok_or_else(damaged)?);
                let other = reader.person()?;
                let stamp = times(&mut Reader(value), reader.event_id()?)?;
                if !joins(&stamp) {
                    return Ok(true);
                }
                if last != Some(other) {
                    (last, of_pair) = (Some(other), 0);
                    others = others.saturating_add(1);
                }
                of_pair = of_pair.saturating_add(1);
                if of_pair > MERGES_PER_PAIR_MAX {
                    from = Some(behind_pair(&prefix, &other));
                    return Ok(false);
                }
                out.push(MergeEdge { other, stamp });
                Ok(others <= MERGED_IDS_MAX)
            })?;
        }
        Ok(())
    }

    fn touches(
        &self,
        scope: &Scope,
        id: &IdentityId,
        epoch: i64,
        out: &mut Vec<Reached>,
    ) -> Result<bool, StoreError> {
        let Some(program) = self.names.number(scope.program.as_str()) else { return Ok(true) };
        let Some(epoch) = u16::try_from(epoch).ok().filter(|epoch| *epoch <= EPOCH_MAX) else {
            return Ok(true);
        };
        let person = PersonKey::new(epoch, (program, scope.test), id);
        let mut gathered = Gathered::new();
        // What is packed meanwhile is found in both places, so it is looked for in this order.
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let names = self.names.known();
        let more = recent.touches(&person, &names, &mut gathered)?;
        drop(recent);
        if more {
            let prefix = person.prefix();
            self.kv.scan(Table::Touches(epoch), prefix, prefix, &mut |_, row| {
                gathered.row(row, &names)
            })?;
        }
        match gathered.finish() {
            Some(mut touches) => out.append(&mut touches),
            None => return Ok(false),
        }
        Ok(true)
    }

    fn touch(
        &self,
        program: &ProgramName,
        touch: EventId,
    ) -> Result<Option<KnownTouch>, StoreError> {
        self.event(program, touch, |row| Ok(row.touch))
    }

    fn dimensions(
        &self,
        program: &ProgramName,
        touch: EventId,
    ) -> Result<Option<Dimensions>, StoreError> {
        self.event(program, touch, |row| row.dimensions())
    }

    fn facts(
        &self,
        program: &ProgramName,
        touch: EventId,
        out: &mut Vec<Fact>,
    ) -> Result<(), StoreError> {
        if !self.kv.has(Table::Facts(id_epoch(touch)))? {
            return Ok(());
        }
        if let Some(key) = self.touch_key(program, touch) {
            out.extend(self.fact_set(touch, &key)?.facts().cloned());
        }
        Ok(())
    }
}
