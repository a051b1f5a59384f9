import { defineConfig } from '@playwright/test';

// Each test starts its own server and browsers (see fixtures.ts), so there is nothing to share and nothing to configure per project.
export default defineConfig({
  testDir: '.',
  timeout: 90_000,
  expect: { timeout: 20_000 },
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: 'list',
  outputDir: 'test-results',
});
