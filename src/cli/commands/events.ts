/** `tsrun events`: statistics and OOM kills of a container, a JSON document per line as runc prints them, or a table. */
import type { ContainerEvent } from '../../runtime/events.js';
import type { Sample } from '../../runtime/usage.js';
import { parseContainerId } from '../../state/container-id.js';
import { stringifyJson } from '../../util/json-write.js';
import { defineCommand } from '../command.js';
import { readTableOrJson } from '../format.js';
import { readInterval } from '../interval.js';
import { HELP_OPTION } from '../options.js';
import { print } from '../output.js';

type Printer = (event: ContainerEvent) => void;

async function tablePrinter(): Promise<Printer> {
  const { usageOf } = await import('../../runtime/usage.js');
  const { USAGE_HEADER, usageCells, usageRow } = await import('../usage-table.js');
  let previous: Sample | undefined;
  return (event) => {
    if (event.type === 'oom') return print('a process was killed for memory\n');
    const at = performance.now();
    const usage = usageOf(event.data, at, previous);
    if (previous === undefined) print(`${usageRow(USAGE_HEADER)}\n`);
    previous = { cpuTime: usage.cpuTime, at };
    print(`${usageRow(usageCells(usage))}\n`);
  };
}

export const events = defineCommand({
  name: 'events',
  summary: 'show the statistics of a container and what happens to it',
  usage: '<container-id>',
  description: [
    'Prints a line every interval, and one for each process killed for memory, until the container ends. A JSON line',
    'has the shape of runc; its memory holds the counters of memory.events too, and network_interfaces is filled in.',
  ],
  examples: ['# tsrun events --stats web', '# tsrun events --format table --interval 1s web'],
  args: [1, 1],
  options: {
    interval: { kind: 'text', help: 'time between two lines', shownDefault: '5s' },
    stats: { kind: 'flag', help: 'print the statistics of this moment and end' },
    format: { kind: 'text', short: 'f', help: "'json' or 'table'", shownDefault: 'json' },
    ...HELP_OPTION,
  },
  async run({ args, options, runtime }) {
    const id = parseContainerId(args[0] ?? '');
    const intervalMs = readInterval(options.interval ?? '5s');
    const table = readTableOrJson(options.format, 'json') === 'table';
    const emit: Printer = table ? await tablePrinter() : (event) => print(`${stringifyJson(event)}\n`);
    const { statsEvent, watchEvents } = await import('../../runtime/events.js');
    if (options.stats) emit(await statsEvent(runtime, id));
    else await watchEvents(runtime, { id, intervalMs, emit });
    return 0;
  },
});
