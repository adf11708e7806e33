"""Standing orders: what a buyer wants as soon as it is for sale, evaluated by a command that cron may call."""
