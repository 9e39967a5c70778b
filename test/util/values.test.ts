// The small pure helpers of src/util that the spec layer is made of: json-write, show, suggest, number-list,
// sysctl-name, linux-names.
import fc from 'fast-check';
import t from 'tap';
import { stringifyJson } from '../../src/util/json-write.js';
import { CAPABILITIES, capabilityNumber, MOUNT_OPTIONS, RLIMITS } from '../../src/util/linux-names.js';
import { parseNumberList } from '../../src/util/number-list.js';
import { show } from '../../src/util/show.js';
import { closest, didYouMean, distance } from '../../src/util/suggest.js';
import { sysctlName, sysctlPath } from '../../src/util/sysctl-name.js';

t.test('stringifyJson writes what JSON.stringify writes, with any indentation', async (t) => {
  const indent = fc.constantFrom<number | string>(0, 1, 2, 4, '\t');
  const property = fc.property(fc.jsonValue(), indent, (value, space) => {
    return stringifyJson(value, space) === JSON.stringify(value, null, space);
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }));
});

t.test('stringifyJson writes bigints with all digits', async (t) => {
  t.equal(stringifyJson({ a: 18446744073709551615n, b: [-1n] }), '{"a":18446744073709551615,"b":[-1]}');
});

t.test('stringifyJson leaves out undefined in objects and writes null in lists', async (t) => {
  const value = { a: undefined, b: [undefined, Number.NaN], c: {} };
  t.equal(stringifyJson(value, 2), JSON.stringify(value, null, 2));
  t.equal(stringifyJson(undefined), 'null');
});

t.test('show quotes and cuts text, and names lists and objects by their kind', async (t) => {
  t.equal(show('a\n\u001b[2J"'), '"a\\n\\u001b[2J\\""');
  t.equal(show('x'.repeat(100), 8), '"xxxxxxxx…"');
  t.same(
    [[], [1, 2], {}, null, true, 1n, 1.5].map((value) => show(value)),
    ['[]', 'a list of 2', 'an object', 'null', 'true', '1', '1.5'],
  );
});

t.test('distance counts inserts, deletes, replacements and swaps of neighbours', async (t) => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['', '', 0],
    ['abc', 'abc', 0],
    ['abc', 'abcd', 1],
    ['abc', 'acb', 1],
    ['abc', 'xbc', 1],
    ['kitten', 'sitting', 3],
  ];
  for (const [a, b, wanted] of cases) t.equal(distance(a, b, 9), wanted, `${a} ${b}`);
  t.equal(distance('abcdef', 'uvwxyz', 2), 3, 'more than the bound is the bound and one');
});

t.test('closest suggests near words, ignores case and signs, and what all candidates begin with', async (t) => {
  t.equal(closest('nosiud', MOUNT_OPTIONS), 'nosuid');
  t.equal(closest('no_new_privileges', ['noNewPrivileges', 'user']), 'noNewPrivileges');
  t.equal(closest('SYS_ADMIN', CAPABILITIES), 'CAP_SYS_ADMIN');
  t.equal(closest('cap_chown', CAPABILITIES), 'CAP_CHOWN');
  t.equal(closest('RLIMIT_FOO', Object.keys(RLIMITS)), undefined);
  t.equal(closest('ro', MOUNT_OPTIONS), undefined, 'a known word needs no suggestion');
  t.equal(closest('', MOUNT_OPTIONS), undefined);
  t.equal(closest('x'.repeat(1000), MOUNT_OPTIONS), undefined);
  t.equal(didYouMean('rbnd', MOUNT_OPTIONS), 'did you mean "rbind"?');
  t.equal(didYouMean(5, MOUNT_OPTIONS), undefined);
});

t.test('parseNumberList reads ranges and groups as cpuset(7) does', async (t) => {
  t.same(parseNumberList('0-3,7'), [
    [0, 3],
    [7, 7],
  ]);
  t.same(parseNumberList('8-15:2/4'), [
    [8, 9],
    [12, 13],
  ]);
  t.same(parseNumberList('0-8:2/4'), [
    [0, 1],
    [4, 5],
    [8, 8],
  ]);
  for (const text of ['', '0-', '-1', '5-2', 'a', '0,,1', '0-99999999', '65536', '0-7:0/2', '0-7:3/2']) {
    t.equal(parseNumberList(text), undefined, text);
  }
});

t.test('sysctlPath and sysctlName take the first separator of a name as its separator', async (t) => {
  for (const name of ['net.ipv4.conf.eth0/100.forwarding', 'net/ipv4/conf/eth0.100/forwarding']) {
    t.equal(sysctlPath(name), 'net/ipv4/conf/eth0.100/forwarding');
    t.equal(sysctlName(name), 'net.ipv4.conf.eth0/100.forwarding');
  }
  t.equal(sysctlPath('kernel.msgmax'), 'kernel/msgmax');
});

t.test('capabilityNumber is the bit of capabilities(7)', async (t) => {
  t.same(
    ['CAP_CHOWN', 'CAP_SYS_ADMIN', 'CAP_AUDIT_READ', 'CAP_CHECKPOINT_RESTORE', 'SYS_ADMIN'].map(capabilityNumber),
    [0, 21, 37, 40, undefined],
  );
  t.equal(new Set(CAPABILITIES).size, 41);
});

t.test('MOUNT_OPTIONS has every option of the spec once, with the recursive twin of each attribute', async (t) => {
  t.equal(new Set(MOUNT_OPTIONS).size, MOUNT_OPTIONS.length);
  for (const name of ['rro', 'rnosymfollow', 'ridmap', 'tmpcopyup', 'lazytime', 'runbindable']) {
    t.ok((MOUNT_OPTIONS as readonly string[]).includes(name), name);
  }
});
