// The worker that measures sharp: a line of JSON in, one photo through, a line of JSON out.
// bench/src/worker.rs does the same for photodrop; both measure the whole process, all threads.
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import sharp from 'sharp';

sharp.concurrency(1);
sharp.cache(false);

const inside = (image, side, options = {}) =>
  image.resize(side, side, { fit: 'inside', withoutEnlargement: true, ...options });
const encoded = (image, { format, quality, effort }) =>
  // JPEG has no alpha; photodrop flattens on white as well.
  format === 'webp' ? image.webp({ quality, effort }) : image.flatten({ background: '#fff' }).jpeg({ quality });

// Each size from the one above it, the largest from the photo.
const cascade = async (photo, outputs, options) => {
  const files = [];
  let source = () => sharp(photo).autoOrient();
  let size;
  let pixels;
  for (const output of outputs) {
    if (output.side !== size) {
      size = output.side;
      const { data, info } = await inside(source(), size, options).raw().toBuffer({ resolveWithObject: true });
      pixels = { data, raw: { width: info.width, height: info.height, channels: info.channels } };
      source = () => sharp(pixels.data, { raw: pixels.raw });
    }
    files.push(await encoded(source(), output).toBuffer());
  }
  return files;
};

const ways = {
  // Shrink on load as far as the decoder can.
  cascade: (photo, outputs) => cascade(photo, outputs),
  // As little as libvips then does: what libwebp's averaging loses is kept.
  sharpest: (photo, outputs) => cascade(photo, outputs, { fastShrinkOnLoad: false }),
  // A pipeline of its own for each output, as most code has it.
  async separate(photo, outputs) {
    const files = [];
    for (const output of outputs) {
      files.push(await encoded(inside(sharp(photo).autoOrient(), output.side), output).toBuffer());
    }
    return files;
  },
  // As sharp's documentation shows several outputs of one input.
  async clone(photo, outputs) {
    const source = sharp(photo).autoOrient();
    return Promise.all(outputs.map((output) => encoded(inside(source.clone(), output.side), output).toBuffer()));
  },
};

// Not getrusage's: that takes over what the parent had before it became this program.
const peakKib = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);

const versions = { node: process.versions.node, sharp: sharp.versions.sharp, libvips: sharp.versions.vips,
  libwebp: sharp.versions.webp, mozjpeg: sharp.versions.mozjpeg };

for await (const line of createInterface({ input: process.stdin })) {
  const { photo, way, outputs, save } = JSON.parse(line);
  if (photo === null) {
    console.log(JSON.stringify({ versions, peak_kib: peakKib() }));
    continue;
  }
  const bytes = readFileSync(photo);
  const before = process.cpuUsage();
  const start = process.hrtime.bigint();
  const files = await ways[way](bytes, outputs);
  const wall = process.hrtime.bigint() - start;
  const cpu = process.cpuUsage(before);
  if (save !== null) files.forEach((file, index) => writeFileSync(`${save}/${index}.${outputs[index].format}`, file));
  console.log(JSON.stringify({ cpu_us: cpu.user + cpu.system, wall_us: Number(wall / 1000n), peak_kib: peakKib(),
    bytes: files.map((file) => file.length), stages_us: null }));
}
