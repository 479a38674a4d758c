use photo_jpeg::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let b = std::fs::read(&a[1]).unwrap();
    let n: u8 = a[2].parse().unwrap();
    let c: u8 = a[3].parse().unwrap();
    let reps: usize = a[4].parse().unwrap();
    let mut times = vec![];
    for _ in 0..reps {
        let t = std::time::Instant::now();
        let j = Jpeg::parse(&b).unwrap();
        let p = j
            .decode(Scales { luma: Scale::new(n).unwrap(), chroma: Scale::new(c).unwrap() }, &mut || false)
            .unwrap();
        std::hint::black_box(p.planes[0].samples[7]);
        times.push(t.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{} {n}/{c}: min {:.1} median {:.1} ms", a[1], times[0], times[times.len() / 2]);
}
