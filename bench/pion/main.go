// A WHEP server on Pion for `bench live`: RTP from one UDP port to all viewers, as Pion's own example does it.
//
//	pion ADDRESS HTTP_PORT RTP_PORT
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
)

func main() {
	address := os.Args[1]
	port, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	capability := webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeH264, ClockRate: 90000,
		SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
	}
	track, err := webrtc.NewTrackLocalStaticRTP(capability, "video", "camera")
	if err != nil {
		log.Fatal(err)
	}
	media, registry, settings := &webrtc.MediaEngine{}, &interceptor.Registry{}, webrtc.SettingEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		log.Fatal(err)
	}
	if err := webrtc.RegisterDefaultInterceptors(media, registry); err != nil {
		log.Fatal(err)
	}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(func(ip net.IP) bool { return ip.Equal(net.ParseIP(address)) })
	api := webrtc.NewAPI(
		webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings),
	)
	source, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address), Port: port})
	if err != nil {
		log.Fatal(err)
	}
	_ = source.SetReadBuffer(4 << 20)
	go func() {
		packet := make([]byte, 1600)
		for {
			size, err := source.Read(packet)
			if err != nil {
				log.Fatal(err)
			}
			_, _ = track.Write(packet[:size])
		}
	}()
	http.HandleFunc("/whep", func(reply http.ResponseWriter, request *http.Request) {
		offer, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		answer, err := watch(api, track, string(offer))
		if err != nil {
			http.Error(reply, err.Error(), http.StatusBadRequest)
			return
		}
		reply.WriteHeader(http.StatusCreated)
		_, _ = reply.Write([]byte(answer))
	})
	log.Fatal(http.ListenAndServe(address+":"+os.Args[2], nil))
}

func watch(api *webrtc.API, track webrtc.TrackLocal, offer string) (string, error) {
	peer, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return "", err
	}
	sender, err := peer.AddTrack(track)
	if err != nil {
		return "", err
	}
	go func() { // interceptors work on what is read here
		feedback := make([]byte, 1500)
		for {
			if _, _, err := sender.Read(feedback); err != nil {
				return
			}
		}
	}()
	if err := peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	answer, err := peer.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	gathered := webrtc.GatheringCompletePromise(peer)
	if err := peer.SetLocalDescription(answer); err != nil {
		return "", err
	}
	<-gathered
	return peer.LocalDescription().SDP, nil
}
