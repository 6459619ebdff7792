// Asks who one is before something sensitive: the dialog, and the forms that need it (`data-fresh`).
// Invariants: a password leaves this page in one request body and is in no variable afterwards; one dialog at a time.

const PATH = '/api/session/fresh';
/** @type {Promise<boolean>|null} */
let asking = null;

/** @param {string} method @param {unknown} [body] */
const ask = (method, body) =>
  fetch(PATH, {
    method, cache: 'no-store', credentials: 'same-origin', redirect: 'error',
    ...(body ? { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) } : {}),
  });

/** @returns {Promise<boolean>} whether the login is fresh now; false if whoever sits there went back */
export function prove() {
  asking ||= dialog().finally(() => {
    asking = null;
  });
  return asking;
}

/** @returns {Promise<boolean>} */
function dialog() {
  const template = /** @type {HTMLTemplateElement|null} */ (document.getElementById('relogin'));
  if (!template) return Promise.resolve(false);
  const made = /** @type {HTMLDialogElement} */ (template.content.querySelector('dialog')?.cloneNode(true));
  const find = (/** @type {string} */ what) => /** @type {HTMLInputElement} */ (made.querySelector(what));
  const [password, code, second, wrong] = ['#relogin-password', '#relogin-code', '[data-second]', '.err'].map(find);
  const send = find('footer .p');
  let fresh = false;
  find('[data-back]').addEventListener('click', () => made.close());
  made.querySelector('form')?.addEventListener('submit', async (event) => {
    event.preventDefault();
    send.disabled = true;
    try {
      const answer = await ask('POST', { password: password.value, code: code.value });
      fresh = answer.ok;
      if (fresh) return made.close();
      const { error } = await answer.json();
      if (error.reason === 'login.second' && second.hidden) {
        second.hidden = false;
        wrong.textContent = '';
        code.required = true;
        code.focus();
      } else {
        wrong.textContent = error.why || error.title;
        const field = error.reason === 'login.second' ? code : password;
        field.value = '';
        field.focus();
      }
    } catch {
      wrong.textContent = wrong.dataset.away || '';
    } finally {
      send.disabled = false;
    }
  });
  document.body.append(made);
  made.showModal();
  password.focus();
  return new Promise((resolve) => {
    made.addEventListener('close', () => {
      password.value = '';
      made.remove();
      resolve(fresh);
    });
  });
}

/** @param {string} name @param {string} value what the pressed button says, as a field */
function said(name, value) {
  const field = document.createElement('input');
  Object.assign(field, { type: 'hidden', name, value });
  return field;
}

document.addEventListener('submit', async (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.hasAttribute('data-fresh')) return;
  event.preventDefault();
  const pressed = /** @type {HTMLButtonElement|null} */ (event.submitter);
  const answer = await ask('GET').catch(() => null);
  const known = answer?.ok ? (await answer.json()).fresh : true; // what went wrong is said by the page that follows
  if (!known && !(await prove())) return;
  if (pressed?.name) form.append(said(pressed.name, pressed.value)); // `submit()` leaves the button out
  form.submit();
});
