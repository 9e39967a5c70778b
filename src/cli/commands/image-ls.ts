/** `tsrun image ls`: the images of the store, as docker prints them. */
import type { ListedImage } from '../../image/list.js';
import { humanDuration, humanSize } from '../../util/human.js';
import { shortDigest } from '../../util/short-digest.js';
import { defineCommand } from '../command.js';
import { readFilters } from '../filters.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';
import { formatRows } from '../template.js';

const NONE = '<none>';
const TITLES = {
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  ID: 'IMAGE ID',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
};
const TABLE = 'table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}';
const DIGESTS_TABLE = 'table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}';

type Row = { readonly [field in keyof typeof TITLES]: string };

interface Choice {
  readonly noTrunc: boolean;
  readonly now: number;
  readonly splitName: typeof import('../../image/list.js').splitName;
  readonly familiar: (repository: string) => string;
}

function rowOf(image: ListedImage, { noTrunc, now, splitName, familiar }: Choice): Row {
  const { stored, id, created, size } = image;
  const { repository, tag } = splitName(stored);
  return {
    Repository: repository === undefined ? NONE : familiar(repository),
    Tag: tag ?? NONE,
    Digest: stored.source?.split('@')[1] ?? NONE,
    ID: id === undefined ? NONE : noTrunc ? id : shortDigest(id),
    CreatedSince: created === undefined ? 'N/A' : `${humanDuration(now - created.getTime())} ago`,
    CreatedAt: created?.toISOString() ?? 'N/A',
    Size: size === undefined ? 'N/A' : humanSize(size),
  };
}

export const imageLs = defineCommand({
  name: 'image ls',
  summary: 'list the images of the store',
  usage: '[reference]',
  description: [
    'Lists the images, or those whose name fits the reference, in which * and ? stand for any characters. The size is that of',
    "the stored blobs, compressed as they came. --format takes 'table', 'json' or a Go template with the fields .Repository,",
    '.Tag, .Digest, .ID, .CreatedSince, .CreatedAt and .Size.',
  ],
  examples: [
    "# tsrun image ls --format '{{.Repository}}:{{.Tag}} {{.ID}}'",
    '# tsrun image ls --filter dangling=true -q',
  ],
  args: [0, 1],
  options: {
    format: { kind: 'text', help: 'table, json or a Go template', shownDefault: 'table' },
    filter: {
      kind: 'list',
      short: 'f',
      help: 'show only those with dangling=BOOL, label=KEY[=VALUE] or reference=PATTERN',
    },
    quiet: { kind: 'flag', short: 'q', help: 'print only the ids' },
    digests: { kind: 'flag', help: 'show the digests that registries gave' },
    'no-trunc': { kind: 'flag', help: 'show whole ids' },
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { options, args } = invocation;
    const filters = readFilters([...options.filter, ...args.map((pattern) => `reference=${pattern}`)]);
    const store = await openImageStore(invocation);
    const { listImages, splitName } = await import('../../image/list.js');
    const { familiarName, parseReference } = await import('../../registry/reference.js');
    const familiar = (repository: string) => {
      try {
        return familiarName(parseReference(repository));
      } catch {
        return repository;
      }
    };
    const images = listImages(store).filter((image) => filters.every((fits) => fits(image)));
    const choice = { noTrunc: options['no-trunc'], now: Date.now(), splitName, familiar };
    const rows = images.map((image) => rowOf(image, choice));
    if (options.quiet) print(rows.map(({ ID }) => `${ID}\n`).join(''));
    else {
      const given = options.format ?? 'table';
      const format = given === 'table' ? (options.digests ? DIGESTS_TABLE : TABLE) : given;
      print(formatRows(format, rows, TITLES));
    }
    return 0;
  },
});
