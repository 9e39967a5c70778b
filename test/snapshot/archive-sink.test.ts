// What docker cp sends becomes the entry stream of tsrun-snapshot: data, and the end of it, behind files alone.
import t from 'tap';
import { ArchiveSink } from '../../src/snapshot/archive-sink.js';
import { EntryReader } from '../../src/snapshot/entry-reader.js';
import { DEFAULT_LIMITS } from '../../src/snapshot/layer.js';
import { TarReader } from '../../src/util/tar/reader.js';
import { itemsTar } from '../helpers/layers.js';

t.test('ArchiveSink writes directories and links without data, and files with theirs', async (t) => {
  const sink = new ArchiveSink({ directory: 'tmp', keepKinds: true, owner: undefined });
  const tar = new TarReader(sink, DEFAULT_LIMITS);
  tar.push(
    itemsTar([
      { name: './', kind: 'directory' },
      { name: 'd/', kind: 'directory' },
      { name: 'd/link', kind: 'symlink', link: 'file' },
      { name: 'd/file', data: 'in it' },
      { name: 'd/empty', data: '' },
    ]),
  );
  tar.finish();
  sink.end();
  const seen: string[] = [];
  const reader = new EntryReader({
    entry: ({ kind, path }) => seen.push(`${kind} ${path}`),
    data: (offset, bytes) => seen.push(`${offset}: ${bytes}`),
    fileEnd: () => seen.push('.'),
  });
  for (const bytes of sink.take()) reader.push(bytes);
  reader.finish();
  t.same(seen, ['directory tmp/d', 'symlink tmp/d/link', 'file tmp/d/file', '0: in it', '.', 'file tmp/d/empty', '.']);
});
