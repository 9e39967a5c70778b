// LayerSink: owners of a layer's files in a user namespace.
import t from 'tap';
import type { Entry } from '../../src/snapshot/entry.js';
import { DEFAULT_LIMITS, LayerSink } from '../../src/snapshot/layer.js';
import type { TarEntry } from '../../src/util/tar/entry.js';
import { type IdMaps, parseIdMap } from '../../src/util/user-namespace.js';

const ENTRY: TarEntry = {
  name: 'file',
  kind: 'file',
  link: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  major: 0,
  minor: 0,
  xattrs: new Map(),
};

const ids = (map: string): IdMaps => ({ uids: parseIdMap(map), gids: parseIdMap(map) });

function ownersOf(entries: readonly Partial<TarEntry>[], owners: IdMaps | undefined) {
  const made: (readonly [number, number])[] = [];
  const entry = ({ uid, gid }: Omit<Entry, 'index'>) => made.push([uid, gid]);
  const sink = new LayerSink({ entry, data: () => undefined, fileEnd: () => undefined }, DEFAULT_LIMITS, owners);
  for (const one of entries) sink.entry({ ...ENTRY, ...one });
  return { made, foreign: sink.foreign };
}

t.test('owners stay as they are where there are ids for them', async (t) => {
  const entries = [{}, { uid: 1000, gid: 65_536 }];
  for (const owners of [undefined, ids('0 1000 1\n1 100000 65536\n')])
    t.strictSame(ownersOf(entries, owners), {
      made: [
        [0, 0],
        [1000, 65_536],
      ],
      foreign: 0,
    });
});

t.test('with one id everything is of root, and counted', async (t) => {
  t.strictSame(ownersOf([{}, { uid: 5 }, { gid: 7 }], ids('0 1000 1\n')), {
    made: [
      [0, 0],
      [0, 0],
      [0, 0],
    ],
    foreign: 2,
  });
});

t.test('an owner beyond the ids that were granted is told by name', async (t) => {
  t.throws(() => ownersOf([{ name: 'etc/x', uid: 70_000, gid: 3 }], ids('0 1000 1\n1 100000 65536\n')), {
    message: /"etc\/x": belongs to 70000:3: \/etc\/subuid and \/etc\/subgid grant no such ids/,
  });
});
