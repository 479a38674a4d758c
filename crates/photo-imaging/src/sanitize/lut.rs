//! Curves and tables of ICC profiles, each without what no colour goes through.

/// A curve (`curv` or `para`), and how many bytes of the input it has.
pub(super) fn curve(data: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (length, mut curve) = match data.first_chunk::<4>()? {
        b"curv" => {
            let count = usize::try_from(u32::from_be_bytes(*data.get(8..)?.first_chunk()?)).ok()?;
            let length = count.checked_mul(2)?.checked_add(12)?;
            (length, data.get(..length)?.to_vec())
        }
        b"para" => {
            let &[0, kind] = data.get(8..)?.first_chunk()? else { return None };
            let parameters = *[1, 3, 4, 5, 7].get(usize::from(kind))?;
            let length = 12 + 4 * parameters;
            let mut curve = data.get(..length)?.to_vec();
            curve[10..12].fill(0);
            (length, curve)
        }
        _ => return None,
    };
    curve[4..8].fill(0);
    Some((curve, length))
}

/// A table from device colours to the connection space.
pub(super) fn table(data: &[u8]) -> Option<Vec<u8>> {
    match data.first_chunk::<4>()? {
        b"mft1" => fixed_table(data, 1),
        b"mft2" => fixed_table(data, 2),
        b"mAB " => curves_and_grid(data, true),
        b"mBA " => curves_and_grid(data, false),
        _ => None,
    }
}

/// `lut8Type` and `lut16Type`, which hold one table after the other.
fn fixed_table(data: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let &[inputs, outputs, points] = data.get(8..)?.first_chunk()?;
    let (start, input_entries, output_entries) = if bytes == 1 {
        (48, 256, 256)
    } else {
        let &[i1, i0, o1, o0] = data.get(48..)?.first_chunk()?;
        (52, usize::from(u16::from_be_bytes([i1, i0])), usize::from(u16::from_be_bytes([o1, o0])))
    };
    let grid = usize::from(points).checked_pow(inputs.into())?.checked_mul(outputs.into())?;
    let entries = input_entries * usize::from(inputs) + output_entries * usize::from(outputs);
    let length = entries.checked_add(grid)?.checked_mul(bytes)?.checked_add(start)?;
    let mut table = data.get(..length)?.to_vec();
    table[4..8].fill(0);
    table[11] = 0;
    // The matrix is for three channels.
    if inputs != 3 {
        for (place, number) in table[12..48].as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *number = if place % 4 == 0 { [0, 1, 0, 0] } else { [0; 4] };
        }
    }
    Some(table)
}

/// `lutAToBType` and `lutBToAType`, whose parts stand anywhere in the tag.
fn curves_and_grid(data: &[u8], to_connection_space: bool) -> Option<Vec<u8>> {
    let &[inputs, outputs] = data.get(8..)?.first_chunk()?;
    let (near_grid, near_space) = if to_connection_space { (inputs, outputs) } else { (outputs, inputs) };
    let offset = |place: usize| {
        let number = u32::from_be_bytes(*data.get(place..)?.first_chunk()?);
        usize::try_from(number).ok()
    };
    let mut out = vec![0; 32];
    out[..4].copy_from_slice(&data[..4]);
    out[8..10].copy_from_slice(&[inputs, outputs]);
    // Curves that are named twice are written once.
    let mut written: Vec<(usize, u8, usize)> = Vec::new();
    // B, matrix, M, grid, A.
    for (place, curves) in [(12, near_space), (16, 0), (20, near_space), (24, 0), (28, near_grid)] {
        let from = offset(place)?;
        if from == 0 {
            continue;
        }
        let known = written.iter().find(|&&(other, count, _)| (other, count) == (from, curves));
        let to = known.map_or(out.len(), |&(_, _, to)| to);
        if known.is_none() {
            match place {
                16 => out.extend_from_slice(data.get(from..)?.get(..48)?),
                24 => put_grid(data.get(from..)?, inputs, outputs, &mut out)?,
                _ => put_curves(data.get(from..)?, from, curves, &mut out)?,
            }
            written.push((from, curves, to));
        }
        out[place..place + 4].copy_from_slice(&u32::try_from(to).ok()?.to_be_bytes());
    }
    Some(out)
}

/// Curves that follow each other, each at a multiple of four bytes of the tag.
fn put_curves(data: &[u8], from: usize, count: u8, out: &mut Vec<u8>) -> Option<()> {
    let mut at = 0;
    for _ in 0..count {
        let (curve, length) = curve(data.get(at..)?)?;
        out.extend_from_slice(&curve);
        out.resize(out.len().next_multiple_of(4), 0);
        at = (from + at + length).next_multiple_of(4) - from;
    }
    Some(())
}

fn put_grid(data: &[u8], inputs: u8, outputs: u8, out: &mut Vec<u8>) -> Option<()> {
    let (points, rest) = data.split_first_chunk::<16>()?;
    let points = points.get(..inputs.into())?;
    let (&[precision @ (1 | 2), _, _, _], values) = rest.split_first_chunk()? else { return None };
    let entries = points.iter().try_fold(usize::from(outputs), |all, &n| all.checked_mul(n.into()))?;
    let values = values.get(..entries.checked_mul(precision.into())?)?;
    let mut head = [0; 20];
    head[..points.len()].copy_from_slice(points);
    head[16] = precision;
    out.extend_from_slice(&head);
    out.extend_from_slice(values);
    out.resize(out.len().next_multiple_of(4), 0);
    Some(())
}
