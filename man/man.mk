# fragment of the room man
dist_man_MANS += %D%/tercet.1
