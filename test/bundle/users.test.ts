// findAccount: users and groups of an image, by name and by number.
import t from 'tap';
import { findAccount } from '../../src/bundle/users.js';

const files = {
  passwd:
    'root:x:0:0::/root:/bin/sh\n\nbroken\n+::::::\napp:x:1000:1001::/home/app:\n1000:x:5:6::/odd:\nbig:x:4294967295:0::/:\n',
  group: 'root:x:0:app\napp:x:1001:\nextra:x:50:other,app\nextra2:x:50:app\n',
};
const find = (user: string, given = files) => findAccount(user, given, '--user');

t.test(
  'findAccount takes the user, its group, the groups it is a member of, and its home from the image',
  async (t) => {
    t.same(find(''), { uid: 0, gid: 0, additionalGids: [0], home: '/root' });
    t.same(find('app'), { uid: 1000, gid: 1001, additionalGids: [1001, 0, 50], home: '/home/app' });
    t.same(find('app:extra'), { uid: 1000, gid: 50, additionalGids: [50], home: '/home/app' });
    t.same(find('app:7'), { uid: 1000, gid: 7, additionalGids: [7], home: '/home/app' });
  },
);

t.test('findAccount prefers a name to a number, and knows numbers that the image does not', async (t) => {
  t.equal(find('1000').uid, 5, 'a user of that name');
  t.same(find('77'), { uid: 77, gid: 0, additionalGids: [0], home: '/' });
  t.same(find('77:88', { passwd: '', group: '' }), { uid: 77, gid: 88, additionalGids: [88], home: '/' });
});

t.test('findAccount refuses what is nobody', async (t) => {
  for (const user of ['nobody', 'big', '-1', '4294967295', 'a:b:c', '1 ', '0x0']) {
    t.throws(() => find(user), { code: 'IMAGE_INVALID', message: /^--user: / }, user);
  }
  t.throws(() => find('app:nogroup'), {
    message: /^--user: unable to find group nogroup: no matching entries in group/,
  });
  t.throws(() => findAccount('nosuch', files, ''), {
    message: /^unable to find user nosuch: no matching entries in passwd file/,
  });
  t.throws(() => findAccount('4294967295', files, ''), { message: /^uids and gids must be in range 0-2147483647/ });
});
