// The tar reader on what GNU tar writes in each of its formats, and on what the writer writes.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { type TarEntry, TarError } from '../../src/util/tar/entry.js';
import { TarReader } from '../../src/util/tar/reader.js';
import { TAR_END, tarHeader, tarPadding } from '../../src/util/tar/writer.js';
import { needCommand } from '../helpers/host.js';

const LIMITS = { entries: 1000, headerBytes: 1 << 20, nameBytes: 4095 };

interface Read extends TarEntry {
  readonly content: string;
}

/** piece: how many bytes come at a time. */
function read(tar: Buffer, piece = tar.length): Read[] {
  const found: Read[] = [];
  let entry: TarEntry | undefined;
  let content = Buffer.alloc(0);
  const reader = new TarReader(
    {
      entry: (next) => {
        entry = next;
        content = Buffer.alloc(next.size);
      },
      data: (offset, bytes) => bytes.copy(content, offset),
      fileEnd: () => {
        if (entry !== undefined) found.push({ ...entry, content: content.toString('latin1') });
        entry = undefined;
      },
    },
    LIMITS,
  );
  for (let at = 0; at < tar.length; at += piece) reader.push(tar.subarray(at, at + piece));
  reader.finish();
  return found;
}

const SCRIPT = `
mkdir d; printf hello > d/f; ln d/f hard; ln -s d/f soft; printf x > 'name with blank'
long=$(printf 'n%.0s' $(seq 120)); mkdir $long; printf y > $long/$long
truncate -s 200000 sparse; printf middle | dd of=sparse bs=1 seek=100000 conv=notrunc status=none
for i in 1 2 3 4 5 6 7 8 9; do printf hole$i | dd of=sparse bs=1 seek=$((i * 20000)) conv=notrunc status=none; done
touch -d @1000000000 d/f`;

const formats = ['gnu', 'oldgnu', 'pax', 'ustar', 'v7'];
for (const [format, version] of [
  ...formats.map((f) => [f, ''] as const),
  ...['0.0', '0.1', '1.0'].map((v) => ['pax', v] as const),
]) {
  t.test(`TarReader reads format ${format} ${version}`, { skip: needCommand('tar') }, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'tsrun-tar-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const sparse =
      format === 'ustar' || format === 'v7' ? '' : `--sparse ${version === '' ? '' : `--sparse-version=${version}`}`;
    const old = format === 'v7' || format === 'ustar' ? 'find . -name "nnn*" -prune -exec rm -r {} +;' : '';
    const flags = `--format=${format} ${sparse} --sort=name`;
    const made = spawnSync('bash', ['-ec', `${SCRIPT}\n${old} tar ${flags} -cf - *`], {
      cwd: directory,
      maxBuffer: 1 << 26,
    });
    t.equal(made.status, 0, made.stderr.toString());
    const all = read(made.stdout);
    t.same(read(made.stdout, 7), all, 'however it comes');
    const by = new Map(all.map((entry) => [entry.name, entry]));
    t.match(by.get('d/f'), { kind: 'file', content: 'hello', mtime: { seconds: 1_000_000_000 } });
    t.match(by.get('d/'), { kind: 'directory' });
    t.match(by.get('hard'), { kind: 'hardlink', link: 'd/f' });
    t.match(by.get('soft'), { kind: 'symlink', link: 'd/f' });
    const content = by.get('sparse')?.content ?? '';
    t.equal(content.length, 200_000);
    t.equal(content.indexOf('middle'), -1, 'overwritten by hole5');
    t.equal(content.slice(100_000, 100_006), 'hole5e');
    t.equal(content.slice(180_000, 180_005), 'hole9');
    const long = 'n'.repeat(120);
    if (old === '') t.equal(by.get(`${long}/${long}`)?.content, 'y');
  });
}

const text = (most: number) =>
  fc
    .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: most })
    .map((bytes) => Buffer.from(bytes).toString('latin1'));
const entries = fc.record({
  kind: fc.constantFrom('file', 'symlink', 'hardlink', 'character', 'fifo', 'block'),
  name: text(300).map((name) => `${name}x`),
  link: text(300),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xfffffffe }),
  gid: fc.integer({ min: 0, max: 0xfffffffe }),
  major: fc.integer({ min: 0, max: 4095 }),
  minor: fc.integer({ min: 0, max: 0xfffff }),
  mtime: fc.record({
    seconds: fc.integer({ min: -(2 ** 33), max: 2 ** 40 }),
    nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  }),
  content: text(2000),
  xattrs: fc.dictionary(fc.stringMatching(/^user\.[a-z]{1,20}$/), fc.uint8Array({ maxLength: 300 })),
});

t.test('what tarHeader writes, TarReader reads', async (t) => {
  const property = fc.property(fc.array(entries, { maxLength: 5 }), fc.integer({ min: 1, max: 3000 }), (all, piece) => {
    const wanted = all.map(({ content, link, xattrs, ...entry }) => {
      const linked = entry.kind === 'symlink' || entry.kind === 'hardlink' ? link : '';
      const body = entry.kind === 'file' ? content : '';
      const map = new Map(Object.entries(xattrs).map(([name, value]) => [name, Buffer.from(value)]));
      return {
        ...entry,
        kind: entry.kind as TarEntry['kind'],
        link: linked,
        size: body.length,
        content: body,
        xattrs: map,
      };
    });
    const tar = Buffer.concat([
      ...wanted.map((entry) =>
        Buffer.concat([tarHeader(entry), Buffer.from(entry.content, 'latin1'), tarPadding(entry.size)]),
      ),
      TAR_END,
    ]);
    const sorted = (map: ReadonlyMap<string, Buffer>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    const comparable = (list: readonly Read[]) =>
      JSON.parse(JSON.stringify(list.map((one) => ({ ...one, xattrs: sorted(one.xattrs) }))));
    t.same(comparable(read(tar, piece)), comparable(wanted));
  });
  fc.assert(property, { numRuns: 60 });
});

t.test('TarReader refuses bytes that are no tar, and says so', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 512, maxLength: 4096 }), (bytes) => {
      if (bytes.every((byte) => byte === 0)) return true;
      try {
        read(Buffer.from(bytes));
        return bytes.subarray(0, 512).every((byte) => byte === 0);
      } catch (error) {
        return error instanceof TarError;
      }
    }),
  );
  t.throws(() => read(Buffer.alloc(100, 1)), /middle of an entry/);
});
