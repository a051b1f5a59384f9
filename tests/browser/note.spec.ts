import { expect, freshRoom, join, test } from './fixtures.js';
import { throttle } from './network.js';
import { note, text, write } from './note-page.js';
import { Server } from './server.js';
import { expectFrames } from './synthetic-media.js';

for (const second of ['chromium', 'firefoxEsr'] as const) {
  test(`what one writes the other reads, with ${second}`, async ({ server, chromium, firefoxEsr, pages }) => {
    const room = freshRoom();
    const ada = await pages.open(chromium);
    const bob = await pages.open(second === 'chromium' ? chromium : firefoxEsr);
    await join(ada, server, room, 'Ada');
    await write(ada, 'Agenda: ');
    await join(bob, server, room, 'Bob');
    await expect(note(bob)).toContainText('Agenda:');
    await write(bob, 'bread and olives');
    await expect(note(ada)).toContainText('Agenda: bread and olives');
    // The other's cursor, with their name.
    await expect(ada.locator('.cm-ySelectionInfo', { hasText: 'Bob' })).toBeAttached();
    await expect(ada.getByText(/Also with Bob/)).toBeVisible();
  });
}

test('while the link between two is cut, the note goes on over the server', async ({ server, chromium, pages }) => {
  const room = freshRoom();
  const [ada, bob] = [await pages.open(chromium), await pages.open(chromium)];
  const network = await throttle(ada);
  await join(ada, server, room, 'Ada');
  await join(bob, server, room, 'Bob');
  await write(ada, 'start. ');
  await expect(note(bob)).toContainText('start.');
  // The server passes text on before there is a link to be cut.
  await expectFrames(ada, 'Bob');
  await network.cut();
  await expect(ada.getByRole('group', { name: 'Bob', exact: true }).getByText(/interrupted/i)).toBeVisible();
  await write(ada, 'alpha. ');
  await write(bob, 'beta. ');
  for (const page of [ada, bob]) {
    await expect(note(page)).toContainText('alpha.');
    await expect(note(page)).toContainText('beta.');
  }
  await network.restore();
  expect(await text(ada)).toBe(await text(bob));
});

test('what is saved outlives a kill of the server and opens without a call', async ({ chromium, pages }) => {
  const first = await Server.start();
  const room = freshRoom();
  const ada = await pages.open(chromium);
  await join(ada, first, room, 'Ada');
  await write(ada, '# Minutes');
  await expect(ada.getByText('Saved', { exact: true })).toBeVisible();
  await ada.goto('about:blank');
  await first.kill();
  const second = await first.startAgain();
  // Somebody who was never there, in a browser that has no copy.
  const bob = await pages.open(chromium);
  await bob.goto(`${second.url}/d/${room}`);
  await expect(note(bob)).toContainText('# Minutes');
  await write(bob, ' and more');
  await expect(bob.getByText('Saved', { exact: true })).toBeVisible();
  await bob.reload();
  await expect(note(bob)).toContainText('# Minutes and more');
  await pages.close();
  await second.stop();
});

test('a chat is read by those who come later', async ({ server, chromium, pages }) => {
  const room = freshRoom();
  const [ada, bob] = [await pages.open(chromium), await pages.open(chromium)];
  await join(ada, server, room, 'Ada');
  await ada.getByRole('button', { name: /^Chat/ }).click();
  await ada.getByRole('textbox', { name: /message/i }).fill('Is anybody here?');
  await ada.keyboard.press('Enter');
  await expect(ada.getByText('Is anybody here?')).toBeVisible();
  await join(bob, server, room, 'Bob');
  await bob.getByRole('button', { name: /^Chat/ }).click();
  await expect(bob.getByText('Is anybody here?')).toBeVisible();
  await bob.getByRole('textbox', { name: /message/i }).fill('I am');
  await bob.keyboard.press('Enter');
  await expect(ada.getByText('I am', { exact: true })).toBeVisible();
});
