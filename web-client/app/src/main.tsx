import { render } from 'preact';
import { Announcer } from './announcer';
import { LazyDocumentPage } from './pages/lazy-document';
import { Landing } from './pages/landing';
import { Nothing } from './pages/nothing';
import { RoomPage } from './pages/room';
import { route, startRouter } from './router';
import { startTheme } from './theme';
import './styles/tokens.css';
import './styles/base.css';
import './styles/pages.css';
import './styles/call.css';
import './styles/stage.css';
import './styles/people.css';

function App() {
  return (
    <>
      <Page />
      <Announcer />
    </>
  );
}

function Page() {
  const current = route.value;
  switch (current.page) {
    case 'landing':
      return <Landing />;
    case 'room':
      return <RoomPage key={current.room} room={current.room} />;
    case 'document':
      return <LazyDocumentPage key={current.doc} doc={current.doc} />;
    case 'nothing':
      return <Nothing bad={current.bad} />;
  }
}

startTheme();
startRouter();
const root = document.getElementById('app');
if (root === null) throw new Error('index.html has no #app');
render(<App />, root);
