// What clients are told of a failure.
import t from 'tap';
import { failureOf } from '../../../src/daemon/http/api-error.js';
import { SpecError } from '../../../src/errors.js';
import { pointer } from '../../../src/util/pointer.js';

t.test('failureOf() tells all problems of a config, with what to do', async (t) => {
  const issue = (name: string, hint?: string) => ({
    ...{ code: 'TOO_LONG' as const, path: pointer('linux', name), message: 'is not there' },
    ...(hint === undefined ? {} : { hint }),
  });
  t.same(failureOf(new SpecError([issue('a', 'make it'), issue('b')])), {
    status: 400,
    message: '/linux/a (config.json): is not there (hint: make it); /linux/b (config.json): is not there',
  });
});
