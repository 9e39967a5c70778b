/** `tsrun image history`: the steps an image was made in. */

import { humanDuration, humanSize } from '../../util/human.js';
import { shortDigest } from '../../util/short-digest.js';
import { defineCommand } from '../command.js';
import { openImageStore, STORE_OPTIONS } from '../image-store.js';
import { print } from '../output.js';
import { formatRows } from '../template.js';

const TITLES = {
  ID: 'IMAGE',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  CreatedBy: 'CREATED BY',
  Size: 'SIZE',
  Comment: 'COMMENT',
};
const TABLE = 'table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}';
const WIDTH = 45;

const oneLine = (text: string): string => text.replace(/\s+/g, ' ');
const cut = (text: string): string => (text.length > WIDTH ? `${text.slice(0, WIDTH - 1)}…` : text);

export const imageHistory = defineCommand({
  name: 'image history',
  summary: 'show the steps an image was made in',
  usage: '<image>',
  description: ['Prints a row for each step, newest first, with the size of its layer as it is stored.'],
  args: [1, 1],
  options: {
    format: { kind: 'text', help: 'table, json or a Go template', shownDefault: 'table' },
    human: { kind: 'text', short: 'H', help: "sizes and times in words: 'true' or 'false'", shownDefault: 'true' },
    quiet: { kind: 'flag', short: 'q', help: 'print only the ids' },
    'no-trunc': { kind: 'flag', help: 'show whole ids and commands' },
    ...STORE_OPTIONS,
  },
  async run(invocation) {
    const { args, options } = invocation;
    const store = await openImageStore(invocation);
    const { imageHistory: read } = await import('../../image/inspect.js');
    const { parseTime } = await import('../../image/list.js');
    const whole = options['no-trunc'];
    const human = options.human !== 'false';
    const rows = read(store, store.resolve(args[0] ?? '')).map(({ id, created, createdBy, size, comment }) => {
      const time = parseTime(created);
      const since = time === undefined ? 'N/A' : `${humanDuration(Date.now() - time.getTime())} ago`;
      return {
        ID: id === undefined ? '<missing>' : whole ? id : shortDigest(id),
        CreatedSince: human ? since : (time?.toISOString() ?? 'N/A'),
        CreatedAt: time?.toISOString() ?? 'N/A',
        CreatedBy: whole ? oneLine(createdBy) : cut(oneLine(createdBy)),
        Size: human ? humanSize(size) : String(size),
        Comment: oneLine(comment),
      };
    });
    if (options.quiet) print(rows.map(({ ID }) => `${ID}\n`).join(''));
    else
      print(
        formatRows(options.format === undefined || options.format === 'table' ? TABLE : options.format, rows, TITLES),
      );
    return 0;
  },
});
