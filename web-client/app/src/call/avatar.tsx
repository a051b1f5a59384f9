import { colourOf } from '../colours';
import { initials } from '../initials';

/** Stands for a person while there is no picture of them; their name is always written beside it. */
export function Avatar({ id, name }: { readonly id: string; readonly name: string }) {
  return (
    <span class="avatar" style={{ '--person': colourOf(id) }} aria-hidden="true">
      {initials(name)}
    </span>
  );
}
