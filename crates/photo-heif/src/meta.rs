//! The meta box: items, where their data lies, their properties and references (ISO/IEC 14496-12, 8.11, and
//! ISO/IEC 23008-12, 9.3).
//!
//! Every list is sorted once, so that a look-up takes logarithmic time.

use std::borrow::Cow;
use std::ops::Range;

use crate::Error;
use crate::boxes::{BmffBox, Boxes, MAX_BOXES, Reader};

/// Extents of all items, and targets of all references.
const MAX_ENTRIES: usize = 4 * MAX_BOXES;

/// What the meta box says.
pub(crate) struct Meta<'a> {
    file: &'a [u8],
    idat: &'a [u8],
    pub(crate) primary: u32,
    /// Sorted by id.
    items: Vec<(u32, [u8; 4])>,
    /// Sorted by id.
    locations: Vec<Location>,
    extents: Vec<(u64, u64)>,
    /// In the order of `ipco`: associations count from 1.
    properties: Vec<BmffBox<'a>>,
    /// Sorted by id.
    associations: Vec<(u32, Range<usize>)>,
    /// Whether it is essential, and its number.
    associated: Vec<(bool, usize)>,
    /// Sorted by source.
    references: Vec<Reference>,
    targets: Vec<u32>,
}

struct Location {
    id: u32,
    method: u16,
    is_external: bool,
    extents: Range<usize>,
}

struct Reference {
    from: u32,
    kind: [u8; 4],
    targets: Range<usize>,
}

/// Where an item lies.
struct Place<'m, 'a> {
    is_in_idat: bool,
    extents: &'m [(u64, u64)],
    /// What the extents point into.
    source: &'a [u8],
}

/// Data of an item.
pub(crate) struct ItemData<'a> {
    pub(crate) bytes: Cow<'a, [u8]>,
    /// Whether the file ends before the item does.
    pub(crate) is_cut_off: bool,
}

impl<'a> Meta<'a> {
    /// Reads the body of a meta box. `file` is the whole file, into which item locations point.
    pub(crate) fn parse(file: &'a [u8], body: &'a [u8]) -> Result<Self, Error> {
        let mut meta = Self {
            file,
            idat: &[],
            primary: 0,
            items: Vec::new(),
            locations: Vec::new(),
            extents: Vec::new(),
            properties: Vec::new(),
            associations: Vec::new(),
            associated: Vec::new(),
            references: Vec::new(),
            targets: Vec::new(),
        };
        let mut reader = Reader::new(body);
        reader.version_and_flags()?;
        let mut primary = None;
        for child in Boxes::inside(reader.rest) {
            let BmffBox { kind, body } = child?;
            match &kind {
                b"pitm" if primary.is_none() => primary = Some(primary_item(body)?),
                b"iinf" if meta.items.is_empty() => meta.read_items(body)?,
                b"iloc" if meta.locations.is_empty() => meta.read_locations(body)?,
                b"iprp" if meta.properties.is_empty() => meta.read_properties(body)?,
                b"iref" if meta.references.is_empty() => limits_only(meta.read_references(body))?,
                b"idat" if meta.idat.is_empty() => meta.idat = body,
                _ => {}
            }
        }
        meta.primary = primary.ok_or(Error::Corrupt("missing primary item"))?;
        // Stable: of two entries for one item the first counts.
        meta.items.sort_by_key(|item| item.0);
        meta.locations.sort_by_key(|location| location.id);
        meta.associations.sort_by_key(|association| association.0);
        meta.references.sort_by_key(|reference| reference.from);
        Ok(meta)
    }

    /// Length of the file in bytes.
    pub(crate) fn file_length(&self) -> u64 {
        self.file.len() as u64
    }

    /// Type of an item.
    pub(crate) fn kind(&self, id: u32) -> Result<[u8; 4], Error> {
        let at = self.items.partition_point(|item| item.0 < id);
        let found = self.items.get(at).filter(|item| item.0 == id);
        found.map(|item| item.1).ok_or(Error::Corrupt("a reference to a missing item"))
    }

    /// Properties of an item in the order of its associations: whether each is essential, its number and the box.
    pub(crate) fn properties(&self, id: u32) -> impl Iterator<Item = (bool, usize, BmffBox<'a>)> {
        let at = self.associations.partition_point(|association| association.0 < id);
        let found = self.associations.get(at).filter(|association| association.0 == id);
        let range = found.map_or(0..0, |association| association.1.clone());
        self.associated[range].iter().filter_map(|&(essential, number)| {
            let property = self.properties.get(number.checked_sub(1)?)?;
            Some((essential, number, *property))
        })
    }

    /// Targets of an item's first reference of a kind.
    pub(crate) fn targets(&self, from: u32, kind: [u8; 4]) -> &[u32] {
        let at = self.references.partition_point(|reference| reference.from < from);
        let own = self.references[at..].iter().take_while(|reference| reference.from == from);
        let mut of_kind = own.filter(|reference| reference.kind == kind);
        of_kind.next().map_or(&[], |reference| &self.targets[reference.targets.clone()])
    }

    /// Items that refer to `to` by a reference of a kind.
    pub(crate) fn sources(&self, to: u32, kind: &[u8; 4]) -> impl Iterator<Item = u32> {
        let of_kind = self.references.iter().filter(move |reference| &reference.kind == kind);
        let named = of_kind.filter(move |reference| self.targets[reference.targets.clone()].contains(&to));
        named.map(|reference| reference.from)
    }

    /// Bytes that [`Meta::data`] gives: without those behind the end of the file.
    pub(crate) fn data_length(&self, id: u32) -> Result<u64, Error> {
        let Place { extents, source, .. } = self.location(id)?;
        Ok(extents.iter().map(|&extent| within(source, extent).0.len() as u64).sum())
    }

    /// Data of an item. What lies behind the end of the file is left out.
    pub(crate) fn data(&self, id: u32) -> Result<ItemData<'a>, Error> {
        let Place { is_in_idat, extents, source } = self.location(id)?;
        let (bytes, is_cut_off) = if let [extent] = extents {
            let (bytes, is_whole) = within(source, *extent);
            (Cow::Borrowed(bytes), !is_whole)
        } else {
            let mut bytes = Vec::with_capacity(usize::try_from(self.data_length(id)?).unwrap_or(0));
            // What follows a gap is of no use.
            let is_cut_off = extents.iter().any(|&extent| {
                let (part, is_whole) = within(source, extent);
                bytes.extend_from_slice(part);
                !is_whole
            });
            (Cow::Owned(bytes), is_cut_off)
        };
        if is_cut_off && is_in_idat {
            return Err(Error::Corrupt("item data outside of its box"));
        }
        Ok(ItemData { bytes, is_cut_off })
    }

    fn location(&self, id: u32) -> Result<Place<'_, 'a>, Error> {
        let at = self.locations.partition_point(|location| location.id < id);
        let found = self.locations.get(at).filter(|location| location.id == id);
        let location = found.ok_or(Error::Corrupt("an item without a location"))?;
        if location.is_external {
            return Err(Error::Unsupported("HEIF with data in another file"));
        }
        let extents = &self.extents[location.extents.clone()];
        match location.method {
            0 => Ok(Place { is_in_idat: false, extents, source: self.file }),
            1 => Ok(Place { is_in_idat: true, extents, source: self.idat }),
            _ => Err(Error::Unsupported("HEIF with items made of items")),
        }
    }

    fn read_items(&mut self, body: &'a [u8]) -> Result<(), Error> {
        let mut reader = Reader::new(body);
        let (version, _) = reader.version_and_flags()?;
        reader.id(version > 0)?;
        for entry in Boxes::inside(reader.rest) {
            let BmffBox { kind, body } = entry?;
            let mut reader = Reader::new(body);
            let mut item = || -> Result<Option<(u32, [u8; 4])>, Error> {
                let (version, _) = reader.version_and_flags()?;
                // Older versions have no item type.
                if version < 2 {
                    return Ok(None);
                }
                let id = reader.id(version > 2)?;
                let protection = reader.u16()?;
                let kind = if protection == 0 { reader.array()? } else { *b"\0\0\0\0" };
                Ok(Some((id, kind)))
            };
            if &kind == b"infe"
                && let Ok(Some(item)) = item()
            {
                self.items.push(item);
            }
        }
        Ok(())
    }

    fn read_locations(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(body);
        let (version, _) = reader.version_and_flags()?;
        if version > 2 {
            return Err(Error::Unsupported("this version of item locations"));
        }
        let [sizes, more] = reader.array()?;
        let (offset_size, length_size, base_size) = (sizes >> 4, sizes & 15, more >> 4);
        let index_size = if version > 0 { more & 15 } else { 0 };
        let count = reader.id(version == 2)? as usize;
        if count > MAX_BOXES {
            return Err(Error::LimitExceeded("items"));
        }
        for _ in 0..count {
            let id = reader.id(version == 2)?;
            let method = if version > 0 { reader.u16()? & 15 } else { 0 };
            let is_external = reader.u16()? != 0;
            let base = reader.sized(base_size)?;
            let start = self.extents.len();
            for _ in 0..reader.u16()? {
                reader.sized(index_size)?;
                let offset = reader.sized(offset_size)?;
                let length = reader.sized(length_size)?;
                if self.extents.len() == MAX_ENTRIES {
                    return Err(Error::LimitExceeded("extents"));
                }
                self.extents.push((base.saturating_add(offset), length));
            }
            let extents = start..self.extents.len();
            self.locations.push(Location { id, method, is_external, extents });
        }
        Ok(())
    }

    fn read_properties(&mut self, body: &'a [u8]) -> Result<(), Error> {
        for child in Boxes::inside(body) {
            let BmffBox { kind, body } = child?;
            match &kind {
                b"ipco" if self.properties.is_empty() => {
                    self.properties = Boxes::inside(body).collect::<Result<_, _>>()?;
                }
                b"ipma" => self.read_associations(body)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_associations(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut reader = Reader::new(body);
        let (version, flags) = reader.version_and_flags()?;
        let is_wide = flags & 1 != 0;
        for _ in 0..reader.u32()? {
            if self.associations.len() == MAX_BOXES {
                return Err(Error::LimitExceeded("items"));
            }
            let id = reader.id(version > 0)?;
            let start = self.associated.len();
            for _ in 0..reader.u8()? {
                let (essential, number) = if is_wide {
                    let value = reader.u16()?;
                    (value & 0x8000 != 0, value & 0x7fff)
                } else {
                    let value = reader.u8()?;
                    (value & 0x80 != 0, u16::from(value & 0x7f))
                };
                self.associated.push((essential, usize::from(number)));
            }
            self.associations.push((id, start..self.associated.len()));
        }
        Ok(())
    }

    fn read_references(&mut self, body: &'a [u8]) -> Result<(), Error> {
        let mut reader = Reader::new(body);
        let (version, _) = reader.version_and_flags()?;
        for child in Boxes::inside(reader.rest) {
            let BmffBox { kind, body } = child?;
            let mut reader = Reader::new(body);
            let from = reader.id(version > 0)?;
            let start = self.targets.len();
            for _ in 0..reader.u16()? {
                if self.targets.len() == MAX_ENTRIES {
                    return Err(Error::LimitExceeded("references"));
                }
                self.targets.push(reader.id(version > 0)?);
            }
            self.references.push(Reference { from, kind, targets: start..self.targets.len() });
        }
        Ok(())
    }
}

/// Damage ends a list without an error: only a limit refuses the file.
fn limits_only(read: Result<(), Error>) -> Result<(), Error> {
    read.or_else(|error| if matches!(error, Error::Corrupt(_)) { Ok(()) } else { Err(error) })
}

/// The primary item's id by the body of `pitm`.
fn primary_item(body: &[u8]) -> Result<u32, Error> {
    let mut reader = Reader::new(body);
    let (version, _) = reader.version_and_flags()?;
    reader.id(version > 0)
}

/// The bytes of an extent that exist, and whether those are all. A length of 0 means the rest of the source.
fn within(source: &[u8], (offset, length): (u64, u64)) -> (&[u8], bool) {
    let all = source.len() as u64;
    let start = offset.min(all);
    let end = if length == 0 { all } else { offset.saturating_add(length) };
    // Both are at most the length of a slice.
    let index = |at: u64| usize::try_from(at.min(all)).unwrap_or(source.len());
    (&source[index(start)..index(end.max(start))], offset <= all && end <= all)
}
