import { useRef, useState } from 'preact/hooks';
import { SiteHeader } from '../brand';
import { usePage } from '../hooks';
import { ArrowIcon, CameraIcon, NoteIcon, ServerIcon } from '../icons';
import { randomRoomName } from '../random-name';
import { fragmentOfInput, parseRoomInput, pathOfRoom } from '../room-name';
import { navigate } from '../router';
import { text } from '../text';
import { Colonnade } from './colonnade';

const pointIcons = [CameraIcon, NoteIcon, ServerIcon];

export function Landing() {
  const heading = usePage(text.landing.title);
  return (
    <div class="page landing">
      <SiteHeader />
      <main>
        <div class="hero">
          <div class="hero-words">
            <h1 ref={heading} tabIndex={-1}>
              {text.landing.heading}
            </h1>
            <p class="lead">{text.landing.lead}</p>
            <button type="button" class="button primary large" onClick={() => navigate(pathOfRoom(randomRoomName()))}>
              <CameraIcon />
              {text.landing.start}
            </button>
            <EnterRoom />
          </div>
          <Colonnade />
        </div>
        <ul class="points">
          {text.landing.points.map((point, index) => {
            const PointIcon = pointIcons[index] ?? CameraIcon;
            return (
              <li key={point.title}>
                <PointIcon size={24} />
                <h2>{point.title}</h2>
                <p>{point.body}</p>
              </li>
            );
          })}
        </ul>
      </main>
    </div>
  );
}

function EnterRoom() {
  const [problem, setProblem] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);

  const enter = (event: Event): void => {
    event.preventDefault();
    const entered = input.current?.value ?? '';
    const result = parseRoomInput(entered, location.host);
    if (result.ok) {
      navigate(pathOfRoom(result.room) + fragmentOfInput(entered));
      return;
    }
    setProblem(text.landing.problem[result.problem](result.found));
    input.current?.focus();
  };

  return (
    <form class="enter-room" onSubmit={enter} noValidate>
      <label for="room">{text.landing.roomLabel}</label>
      <div class="enter-room-row">
        <input
          ref={input}
          id="room"
          type="text"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          aria-invalid={problem !== null}
          aria-describedby="room-hint"
          onInput={() => setProblem(null)}
        />
        <button type="submit" class="button">
          {text.landing.enter}
          <ArrowIcon size={18} />
        </button>
      </div>
      <p id="room-hint" class={problem === null ? 'hint' : 'field-error'}>
        {problem ?? text.landing.roomHint}
      </p>
    </form>
  );
}
