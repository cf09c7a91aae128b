/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/pause.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <termios.h>
#include <unistd.h>

#include "p2v/core/cleanup.h"

static atomic_bool paused;
static bool has_keys;
static struct termios before;

static void on_signal(int signum)
{
	atomic_store(&paused, signum == SIGUSR1);
}

void agent_pause_begin(bool keys)
{
	static const int signals[] = {SIGUSR1, SIGUSR2};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct termios now;

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < P2V_N(signals); i++)
		sigaction(signals[i], &action, NULL);
	/* In the background the terminal is somebody else's. */
	has_keys = keys && isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp() &&
		   tcgetattr(STDIN_FILENO, &before) == 0;
	if (!has_keys)
		return;
	now = before;
	now.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &now);
}

void agent_pause_end(void)
{
	if (has_keys && tcgetpgrp(STDIN_FILENO) == getpgrp())
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	has_keys = false;
	atomic_store(&paused, false);
}

static void key_take(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char key;

	if (tcgetpgrp(STDIN_FILENO) != getpgrp() || poll(&in, 1, 0) <= 0)
		return;
	if (read(STDIN_FILENO, &key, 1) != 1)
		has_keys = false;
	else if (key == 'p')
		atomic_store(&paused, !atomic_load(&paused));
	else if (key == 'q')
		raise(SIGTERM);
}

bool agent_paused(void *unused)
{
	(void)unused;
	if (has_keys)
		key_take();
	return atomic_load(&paused);
}
