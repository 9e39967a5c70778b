/** `tsrun plan`: what create, start and delete would do with a bundle, before anything is done. */
import { UsageError } from '../../errors.js';
import { defineCommand } from '../command.js';
import { CREATE_OPTIONS, HELP_OPTION } from '../options.js';
import { print } from '../output.js';

export const plan = defineCommand({
  name: 'plan',
  summary: 'show what create would do with a bundle',
  usage: '[bundle]',
  description: [
    'Checks the config of a bundle and prints every operation that create, start and delete would carry out, in order,',
    'each with the field of the config it comes from. Changes nothing.',
  ],
  args: [0, 1],
  options: {
    bundle: CREATE_OPTIONS.bundle,
    json: { kind: 'flag', help: 'print JSON' },
    'no-pivot': CREATE_OPTIONS['no-pivot'],
    'no-new-keyring': CREATE_OPTIONS['no-new-keyring'],
    ...HELP_OPTION,
  },
  async run({ options, args, runtime, absolute }) {
    if (args[0] !== undefined && options.bundle !== undefined) {
      throw new UsageError('the bundle is named twice', '--bundle');
    }
    const request = {
      bundle: absolute(args[0] ?? options.bundle ?? '.'),
      json: options.json,
      noPivot: options['no-pivot'],
      noNewKeyring: options['no-new-keyring'],
    };
    const { showPlan } = await import('../../runtime/plan.js');
    print(showPlan(runtime, request));
    return 0;
  },
});
